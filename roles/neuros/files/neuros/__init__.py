"""NEUROS: stores biometric events and answers users from their own numbers."""
