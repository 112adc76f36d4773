# What a model writes does not steer the terminal, and what was typed before a question is no answer to it.
. tests/cli/harness
. tests/cli/screen

needs_terminal "a terminal"
home_of_a_person

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

# ---- yes to a command ------------------------------------------------------------------------------------------------------
cat >"$dir/weather" <<END
[{"type": "function", "function": {"name": "get_weather", "description": "Get the current weather of a city.", "parameters": {"type": "object",
  "properties": {"city": {"type": "string", "description": "City name"}}, "required": ["city"]}}, "command": "touch $dir/ran; echo rain"}]
END
begin "'$stoker' run --temp 0 --tools '$dir/weather'$after"
see "a prompt" '^> '
keys 'What is the weather in Bergen?\r'
keys 'y\r'
see "a question" '^run it\? '
sleep 0.5
[ ! -e "$dir/ran" ] && pass || fail "a yes typed before the question" "runs the command"
keys 'n\r'
see "what is asked instead" 'result \(empty: none\)'
keys '\r'
see "a prompt again" '^> ' 2
keys '\004'
ends "a yes typed before the question" "$sane"

rm -f "$dir/ran"
: >"$dir/said"
begin "'$stoker' run -p 'What is the weather in Bergen?' --temp 0 --tools '$dir/weather' 2>'$dir/said'$after"
keys 'y\r'
wait_for $limit grep -q '^call: get_weather' "$dir/said" && pass || fail "questions that nobody sees" "nothing is called"
keys 'y\r' # which may come when nothing reads it any more
see "questions that nobody sees" "$sane"
ends "questions that nobody sees" .
[ ! -e "$dir/ran" ] && pass || fail "questions that nobody sees" "a command is run"
done_testing
