"""The biometric bridge: webhooks of wearables in, acknowledged Kafka events out."""
