fetch("/api/biometric/health");
