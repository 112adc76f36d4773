# Where a prompt comes from: -p, files and stdin, in this order.
. tests/cli/harness

# same WHAT ARGUMENT...: the prompt that they make up is $want
same() {
    what=$1
    shift
    run run --temp 0 -n 8 --json "$@"
    theirs=$(repeatable)
    [ "$status" -eq 0 ] || fail "$what" "exit status $status"
    rm -f "$dir/in"
    run run --temp 0 -n 8 --json -p "$want"
    [ "$(repeatable)" = "$theirs" ] && pass ||
        fail "$what" "is not the prompt that was expected: $theirs"
}

printf 'one\ntwo\n\n' >"$dir/a"
printf 'three' >"$dir/b"
printf 'in\nput\r\n' >"$dir/stdin"
give() { cp "$dir/stdin" "$dir/in"; }
want='one
two'
same "a file" -f "$dir/a"
want='Look:

one
two

three'
same "-p and two files" -p Look: -f "$dir/a" --file "$dir/b"
give
want='Look:

in
put'
same "-p and stdin" -p Look:
give
want='Look:

one
two

in
put'
same "-p, a file and stdin" -f "$dir/a" -p Look:
give
want='in
put

three'
same "stdin before a file" -f - -f "$dir/b"
give
same "stdin by its name" -f /dev/stdin -f "$dir/b"
give
same "stdin by -p" -p - -f "$dir/b"
give
want='in
put'
same "stdin alone"
want="@$dir/a"
same "no file is read because of an at sign" -p "@$dir/a"

# What is asked for anyway is waited for; that something else is waited for is said.
mkfifo "$dir/fifo"
# patient WHAT STDIN ARGUMENT...: STDIN comes only after the sentence, and with the arguments it makes up the prompt Hello
patient() {
    what=$1 text=$2
    shift 2
    : >"$dir/err" # not what the last one said
    timeout $limit "$stoker" run --temp 0 -n 3 "$@" <"$dir/fifo" >"$dir/out" 2>"$dir/err" &
    exec 4>"$dir/fifo"
    wait_for $limit grep -q '^stoker: waiting for the end of stdin, which is a part of the prompt' "$dir/err" && pass ||
        fail "$what" "is waited for in silence"
    printf %s "$text" >&4
    exec 4>&-
    wait $!
    status=$?
    is "$what" 0 "=Hello! I" .
}
patient "a stdin that does not end" "" -p Hello
patient "a prompt that does not end" Hello
"$stoker" run -p Hello --temp 0 -n 3 >"$dir/out" 2>"$dir/err" <&-
status=$?
is "a closed stdin" 0 "=Hello! I" ""
"$stoker" run >"$dir/out" 2>"$dir/err" <&-
status=$?
is "a closed stdin and no prompt" 1 "" "the prompt is empty"

run run -f "$dir/absent"
is "a file that is not there" 1 "" "^stoker: $dir/absent: cannot be opened: No such file or directory$"
run run -f "$dir"
is "a folder" 1 "" "^stoker: $dir: "
printf 'ab\377' >"$dir/bytes"
run run -p x -f "$dir/bytes"
is "a file of bytes" 1 "" "^stoker: $dir/bytes is not valid UTF-8 at byte 2 \\(0xff\\)"
printf 'ab\377' >"$dir/in"
run run -p x "$dir/absent.gguf"
is "a stdin of bytes, before the model is opened" 1 "" "^stoker: stdin is not valid UTF-8 at byte 2 \\(0xff\\)"
rm "$dir/in"
run run -p "$(printf 'a\377')" "$dir/absent.gguf"
is "bytes of -p" 1 "" "^stoker: -p is not valid UTF-8 at byte 1 \\(0xff\\)"
run run -f /dev/zero
is "a file without an end" 1 "" "^stoker: /dev/zero: larger than 64 MiB$"
head -c 1000000 /dev/zero | tr '\0' 'a' >"$dir/word"
needs() { sed -n 's/.*needs at least \([0-9]*\)[.0-9]* MiB .*/\1/p' "$dir/err"; }
run run -p word --memory 20M
is "a budget that is too small" 2 "" "; --memory 20.0 MiB is too small"
least=$(needs)
run run -f "$dir/word" --memory 20M
is "a long prompt and a budget that is too small" 2 "" "; --memory 20.0 MiB is too small"
# 56 bytes for each byte above 256 KiB, 39.4 MiB, and nothing that is a server's
[ "$(needs)" -ge $((least + 39)) ] && [ "$(needs)" -le $((least + 41)) ] && pass || fail "a long prompt" "needs $(needs) MiB, without it $least"

done_testing
