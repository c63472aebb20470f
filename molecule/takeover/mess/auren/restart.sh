#!/bin/sh
docker ps -q -f name=auren-redis | grep -q . || docker start auren-redis
