# What a model writes does not steer the terminal.
. tests/cli/harness
. tests/cli/screen

if ! has_terminal; then
    skip "a terminal" "script of util-linux is not here"
    done_testing
    exit
fi
export XDG_STATE_HOME="$dir/state" XDG_CACHE_HOME="$dir/cache" TERM=xterm LC_ALL=C.UTF-8 HOME="$dir/home"
mkdir "$HOME"

# ---- control characters of an answer ---------------------------------------------------------------------------------------
# One of ESC, BEL, DEL and CSI of C1; what a line may have stays.
printf 'root ::= "a\\x1b[8mb\\x07\\x7f\\u009b8mc\\t\\u00fc"\n' >"$dir/grammar"
printf 'a\033[8mb\007\177\302\2338mc\t\303\274\n' >"$dir/raw"
printf 'a\357\277\275[8mb\357\277\275\357\277\275\357\277\2758mc\t\303\274\n' >"$dir/plain"
run run -p x --temp 0 --grammar "$dir/grammar"
cmp -s "$dir/out" "$dir/raw" && pass || fail "an answer to a pipe" "is not what the model wrote"
for flag in '' --no-wrap; do
    begin "'$stoker' run -p x --temp 0 --grammar '$dir/grammar' $flag </dev/null$after"
    ends "control characters $flag" "$sane"
    screen | head -n 1 | cmp -s - "$dir/plain" && pass || fail "control characters $flag" "reach the terminal: $(screen | od -c | head)"
done

done_testing
