# Outside events during an answer: Ctrl-C, a closed output, files that change.
. tests/cli/harness

gone() { ! kill -0 "$pid" 2>/dev/null; }
# Conditions to wait for; each also holds when the program has ended.
first_output() { [ -s "$dir/out" ] || gone; }
lines() { [ "$(wc -l <"$dir/out")" -ge "$1" ] || gone; }
larger() { [ "$(wc -c <"$dir/out")" -gt "$1" ] || gone; }
stopped() { grep -q stopped "$dir/err" || gone; }
ended() { # ended: waits for the program, its status to $status
    wait_for $limit gone || kill -KILL "$pid"
    wait "$pid"
    status=$?
}

# ---- Ctrl-C --------------------------------------------------------------------------------------------------------------
: >"$dir/out" >"$dir/err"
"$stoker" run -p 'Tell me a story' --ignore-eos --cpu-tier scalar --exact >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
wait_for $limit first_output
kill -INT "$pid"
ended
is "Ctrl-C during an answer" 130 . '^\(stopped\)$'
[ "$(wc -w <"$dir/out")" -lt 600 ] && pass || fail "Ctrl-C during an answer" "the answer went on"

# Two at once: the second comes before the first is handled. Signals before the handler is installed are lost, so they are sent again;
# two signals that are delivered as one count as one, so this is tried again.
long=$(awk 'BEGIN { for (i = 0; i < 480; i++) printf "word " }')
for attempt in 1 2 3 4 5 6 7 8; do
    : >"$dir/out" >"$dir/err"
    "$stoker" run -p "$long" --chunk 512 --threads 1 --cpu-tier scalar --exact >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    wait_for $limit eval 'kill -INT "$pid" 2>/dev/null; kill -INT "$pid" 2>/dev/null; gone'
    ended
    grep -q '^(stopped)$' "$dir/err" || break
done
is "Ctrl-C twice" 130 "" ""

# In a chat it ends the answer, and the next line is answered.
rm -f "$dir/lines"
mkfifo "$dir/lines"
: >"$dir/out" >"$dir/err"
"$stoker" run --lines --temp 0 --ignore-eos --cpu-tier scalar --exact <"$dir/lines" >"$dir/out" 2>"$dir/err" &
pid=$!
exec 3>"$dir/lines"
echo 'What is 9 + 4?' >&3
wait_for $limit first_output
kill -INT "$pid"
wait_for $limit stopped
echo 'Spell cat.' >&3
wait_for $limit lines 1
wait_for $limit larger "$(wc -c <"$dir/out")"
kill -INT "$pid" 2>/dev/null
exec 3>&-
ended
is "Ctrl-C in a chat" 0 '^9' '^\(stopped\)$'
[ "$(grep -c stopped "$dir/err")" -eq 2 ] && pass || fail "Ctrl-C in a chat" "two answers were not stopped"

# ---- a closed output -----------------------------------------------------------------------------------------------------
for ignored in "" "trap '' PIPE;"; do
    : >"$dir/err"
    (
        eval "$ignored"
        timeout $limit "$stoker" run -p 'Tell me a story' --ignore-eos --temp 0 2>"$dir/err" </dev/null
        echo $? >"$dir/status"
    ) | head -c 1 >"$dir/out"
    status=$(cat "$dir/status")
    if [ -z "$ignored" ]; then
        is "a broken pipe" 141 A ""
    else
        is "a broken pipe, the signal ignored" 1 A "cannot be written: Broken pipe"
    fi
done

# ---- the file changes between two turns ----------------------------------------------------------------------------------
chat() { # chat CHANGE FLAGS...: a question, the change, another question
    cp "$ember" "$dir/model.gguf"
    rm -f "$dir/lines"
    mkfifo "$dir/lines"
    : >"$dir/out" >"$dir/err"
    change=$1
    shift
    "$stoker" run "$dir/model.gguf" --lines --temp 0 "$@" <"$dir/lines" >"$dir/out" 2>"$dir/err" &
    pid=$!
    exec 3>"$dir/lines"
    echo 'What is 9 + 4?' >&3
    wait_for $limit lines 1 || fail "a chat" "no answer"
    eval "$change"
    echo 'Spell cat.' >&3
    exec 3>&-
    ended
}
for memory in min max; do
    chat 'truncate -s 1000000 "$dir/model.gguf"' --memory $memory
    is "truncated while open, --memory $memory" 1 "=9 + 4 = 13." "model.gguf changed while in use; restart stoker"
    chat 'cp "$ember" "$dir/new" && mv "$dir/new" "$dir/model.gguf"' --memory $memory
    is "replaced while open, --memory $memory" 0 "=9 + 4 = 13.
C-A-T." "^stoker: warning: .*model.gguf was replaced while in use; the opened file goes on being used$"
    chat 'rm "$dir/model.gguf"' --memory $memory
    is "removed while open, --memory $memory" 0 "=9 + 4 = 13.
C-A-T." "model.gguf was removed while in use"
done

done_testing
