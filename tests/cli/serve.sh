# What serve says when it starts.
. tests/cli/harness

touch "$dir/out" "$dir/err"
command -v curl >/dev/null || {
    skip "serve" "curl is not installed"
    done_testing
    exit
}
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT

# starts ARGUMENT...: serve listens, is healthy, and ends when asked to
starts() {
    : >"$dir/out" # not what the last one said
    "$stoker" serve "$@" --port 0 --memory min --threads 1 >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for 60 grep -q '^listening on ' "$dir/out" || fail "serve $*" "does not listen"
    wait_for 60 curl -sf -o /dev/null "$(sed 's/^listening on //' "$dir/out")/health" || fail "serve $*" "is not healthy"
    kill -TERM $pid
    wait $pid
    status=$?
    pid=
}

starts
is "serve" 0 "^listening on http://127\.0\.0\.1:[0-9]+$" "^stoker: req_[A-Za-z0-9]+ GET /health 200 "
grep -q warning "$dir/err" && fail "serve" "warns of what nobody gave" || pass
starts --ctx 2000
is "serve with a context longer than trained" 0 "^listening on " "^stoker: warning: .*trained on 1024 positions; with --ctx 2000 "
done_testing
