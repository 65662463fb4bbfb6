#!/bin/sh
# /usr/local/bin/backscatterd: the program with the Node that came with it.
exec /opt/backscatterd/node_modules/.bin/node /opt/backscatterd/src/main.ts "$@"
