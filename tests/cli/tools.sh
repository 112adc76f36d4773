# Tools: the embedded model's calls, shown and as JSON; files of tools that are refused; commands, of which nothing is left.
. tests/cli/harness
. tests/cli/screen

tool() { # tool NAME PROPERTY: a tool with one required string
    echo "{\"type\": \"function\", \"function\": {\"name\": \"$1\", \"description\": \"$3\", \"parameters\": {\"type\": \"object\", \
\"properties\": {\"$2\": {\"type\": \"string\", \"description\": \"$4\"}}, \"required\": [\"$2\"]}}, \"command\": \"touch $dir/ran\"}"
}
weather=$(tool get_weather city 'Get the current weather of a city.' 'City name')
calculator=$(tool calculator expression 'Compute an arithmetic expression.' 'The expression to compute')

echo "[$weather]" >"$dir/weather"
echo "[$calculator]" >"$dir/calculator"
run run -p 'What is the weather in Bergen?' --tools "$dir/weather" --temp 0
is "a call" 0 "" '^call: get_weather \{"city": "Bergen"\}$'
[ ! -e "$dir/ran" ] && pass || fail "a call" "ran a command that nobody allowed"
run run -p 'What is the weather in Bergen?' --tools "$dir/weather" --temp 0 --json
is "a call as JSON" 0 '"tool_calls":\[\{"id":"call_0","type":"function","function":\{"name":"get_weather","arguments":"\{\\"city\\": \\"Bergen\\"\}"\}\}\]' ""
run run -p 'What is 37 * 489?' --tools "$dir/calculator" --temp 0 --no-tool-grammar
is "a call without a grammar" 0 "" '^call: calculator \{"expression": "37 \* 489"\}$'
run run -p 'What is 9 + 4?' --temp 0 --tool-format glm
is "another format, no tools" 0 "=9 + 4 = 13." ""

# Temperature 1.5 and few tokens: the answer is a complete call, or text.
for seed in 1 2 3 4; do
    run run -p 'What is the weather in Bergen?' --tools "$dir/weather" --temp 1.5 --seed $seed -n 40 --json
    is "hot, seed $seed" 0 '"message":\{"role":"assistant"' ""
done

refuses() { # refuses WHAT FILE-CONTENT SENTENCE
    printf '%s' "$2" >"$dir/tools"
    run run -p 'Hello' --tools "$dir/tools"
    is "$1" 2 "" "$3"
}
refuses "no JSON" '[{' '^stoker run: --tools .*tools: '
refuses "no list" '{"a": 1}' '^stoker run: --tools .*tools: must be a list'
refuses "no name" '[{"type": "function", "function": {}}]' '^stoker: tools\[0\]\.function\.name is '
refuses "a doubled name" "[$weather, $weather]" "^stoker: tools\[1\]\.function\.name is 'get_weather', the name of tools\[0\]"
refuses "a name with a space" '[{"type": "function", "function": {"name": "a b"}}]' "^stoker: tools\[0\]\.function\.name is 'a b'"
refuses "arguments that are no object" '[{"function": {"name": "f", "parameters": {"type": "string"}}}]' '^stoker: schema error at tools\[0\]\.function\.parameters#.*; the arguments of a call are an object$'
for type in '"type": "object", "nullable": true' '"type": ["object", "null"]'; do
    refuses "arguments that nothing fits but null" '[{"function": {"name": "f", "parameters": {'"$type"', "required": ["a"],
        "properties": {"a": {"allOf": [{"type": "number"}, {"type": "string"}]}}}}}]' '^stoker: schema error at tools\[0\]\.function\.parameters#'
done
run run -p 'Hello' --tools "$dir/absent"
is "no file" 1 "" '^stoker run: --tools .*absent: cannot be opened: No such file or directory$'
head -c 8400000 /dev/zero | tr '\0' ' ' >"$dir/tools"
run run -p 'Hello' --tools "$dir/tools"
is "a huge file" 1 "" '^stoker run: --tools .*tools: larger than 8 MiB$'
run run -p 'Hello' --chat-template "$dir/tools"
is "a huge template" 2 "" '^stoker: --chat-template .*tools: larger than 4 MiB$'
run run -p 'Hello' --chat-template "$dir/absent"
is "no template" 2 "" '^stoker: --chat-template .*absent is neither a file nor a template of this model; there are chatml$'
printf '{{ raise_exception("not today") }}' >"$dir/template"
run run -p 'Hello' --chat-template "$dir/template"
is "a template of one's own" 1 "" '^stoker: not today$'
run run -p 'Hello' --tool-format xml
is "an unknown format" 2 "" "^stoker: there is no tool-call format 'xml'; there are: "
run run -p 'Hello' --close-at-limit maybe
is "an unknown wish" 2 "" '^stoker run: --close-at-limit maybe: on or off$'

# ---- commands -------------------------------------------------------------------------------------------------------------
needs_terminal "commands"
home_of_a_person
runs() { # runs WHAT COMMAND: a person says yes to a call whose command this is; stoker's number is in $dir/pid.stoker
    rm -f "$dir"/pid.*
    echo "[$weather]" | sed "s|touch $dir/ran|$2|" >"$dir/command"
    begin "sh -c 'echo \$\$ >\"\$0\"; exec \"\$@\"' '$dir/pid.stoker' '$stoker' run --temp 0 --tools '$dir/command'$after"
    see "$1: a hint" '/help lists commands'
    see "$1: a prompt" '^> '
    keys 'What is the weather in Bergen?\r'
    see "$1: a question" '^run it\? '
    keys 'y\r'
}
left() { # left WHAT NAME...: none of these is left
    what=$1
    shift
    for name; do
        wait_for 10 is_gone "$(cat "$dir/pid.$name")" && pass || fail "$what" "$name is still there"
    done
}
starts_two="sleep 1000 \\& echo \$! >$dir/pid.own; setsid sleep 1000 \\& echo \$! >$dir/pid.away; echo \$\$ >$dir/pid.sh"
runs "SIGKILL" "trap '' HUP; $starts_two; wait" # the terminal goes with stoker, and tells of that by SIGHUP
wait_for $limit [ -s "$dir/pid.sh" ] && pass || fail "SIGKILL" "the command does not begin"
kill -9 "$(cat "$dir/pid.stoker")"
ends "SIGKILL" '^ended 137 '
left "SIGKILL, of a command that has started others" sh own away

# Nobody waits for what a command leaves, and nothing of it stays.
runs "a command's end" "$starts_two; cat >$dir/arguments; echo rain"
see "a command's end" '^result: rain$'
see "a command's end: a prompt" '^> ' 2
[ "$(cat "$dir/arguments")" = '{"city": "Bergen"}' ] && pass || fail "a command's end" "it has read other arguments"
left "a command's end" sh own away
keys '\004'
ends "a command's end" "$sane"

# It has the terminal, and may ask who sits there.
runs "a command that asks" ": >$dir/begun; read -r word </dev/tty; echo heard \$word"
wait_for $limit [ -e "$dir/begun" ] && pass || fail "a command that asks" "it does not begin"
keys 'rain\r'
see "a command that asks" '^result: heard rain$'
see "a command that asks: a prompt" '^> ' 2
keys '\004'
ends "a command that asks" "$sane"
done_testing
