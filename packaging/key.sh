#!/bin/sh
# The service's key, where there is none yet: without one it does not start. sh packaging/key.sh [FOLDER]; who installs it reads it there.
set -e
folder=${1:-/etc/stoker}
if [ ! -e "$folder/api-key" ]; then
    mkdir -p "$folder"
    (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$folder/api-key")
fi
