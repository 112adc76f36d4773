#!/bin/sh
# Does a test fail by load? Runs a command RUNS (10) times beside BUSY (8) processes that compute; each run must end with status 0.
#
#     sh tests/busy.sh                           all of make check, which has built it: hours on two cores
#     sh tests/busy.sh COMMAND [ARGUMENT...]     STOKER=build/stoker sh tests/busy.sh build/tests/serve
#
# A line a run, its output where it fails. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- sh tests/check.sh
log=$(mktemp) || exit 1
beside='' passed=0 failed=0
trap '[ -z "$beside" ] || kill $beside; rm -f "$log"' EXIT
trap 'exit 1' INT TERM
for _ in $(seq "${BUSY:-8}"); do
    sh -c 'while :; do :; done' &
    beside="$beside $!"
done
for run in $(seq "${RUNS:-10}"); do
    began=$(date +%s)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1)) verdict=ok
    else
        failed=$((failed + 1)) verdict=FAIL
        cat "$log"
    fi
    echo "$verdict   run $run in $(($(date +%s) - began)) s: $(tail -n 1 "$log")"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
