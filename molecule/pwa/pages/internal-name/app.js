fetch("http://biometric-production:8888/health");
