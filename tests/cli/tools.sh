# Tools: the embedded model's calls, shown and as JSON; files of tools that are refused.
. tests/cli/harness

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
done_testing
