# stoker run --mcp: servers are started, named and ended; their tools are called where CONFIG or a person allows it.
. tests/cli/harness
. tests/cli/screen

home_of_a_person
bergen='What is the weather in Bergen?'
allow=',"allow":["get_weather"]'
no='error: this tool runs only where a person says yes to the call, and nobody is there to ask'

servers() { # servers "KIND FIELDS"...: CONFIG has servers of these kinds, which are their names too
    rm -f "$dir/calls" "$dir/cancelled" "$dir"/pid.*
    comma=
    printf '{"mcpServers": {\n' >"$dir/config"
    for server; do
        kind=${server%% *}
        printf '%s"%s": {"command": "sh", "args": ["%s/tests/cli/mcp_server", "%s", "%s"]%s}' "$comma" "$kind" "$PWD" "$kind" "$dir" \
            "${server#"$kind"}" >>"$dir/config"
        comma=',
'
    done
    printf '\n}}\n' >>"$dir/config"
}
called() { # called WHAT N: so many calls have come
    n=$(cat "$dir/calls" 2>/dev/null | wc -l)
    [ "$n" -eq "$2" ] && pass || fail "$1" "$n calls came, not $2"
}
left() { # left WHAT: no server is left
    for file in "$dir"/pid.*; do
        wait_for 10 is_gone "$(cat "$file")" && pass || fail "$1" "${file##*/} is still there"
    done
}
answers() { # answers WHAT CALL: a call was shown, and an answer followed it
    is "$1" 0 . "^call: $2"
}
told() { # told WHAT TEXT: the model was told so
    grep -Fq -- "\"content\": \"$2" "$dir/state/stoker/sessions/$session.json" && pass || fail "$1" "the model was told something else"
}
session=0
talk() { # talk ARGUMENT...: a turn with CONFIG, in a conversation of its own
    session=$((session + 1))
    run run -p "$bergen" --mcp "$dir/config" --temp 0 --session $session "$@"
}

# ---- CONFIG ----------------------------------------------------------------------------------------------------------------
refuses() { # refuses WHAT CONTENT SENTENCE
    printf "$2" >"$dir/config"
    run run -p Hi --mcp "$dir/config"
    is "$1" 2 "" "^stoker run: --mcp .*/config: $3"
}
refuses "no JSON" '{\n"mcpServers": {\n"a" 1}}' "line 3: "
refuses "no servers" '{"servers": {}}' '\{"mcpServers": .* is expected$'
refuses "neither command nor url" '{"mcpServers": {"a": {}}}' "server a: has neither a command nor a url$"
refuses "a url without a scheme" '{"mcpServers": {"a": {"url": "127.0.0.1/mcp"}}}' "server a: url must begin with http:// or https:// and a host$"
refuses "a variable that is not there" '{"mcpServers": {"a": {"command": "sh", "args": ["${STOKER_NOT_SET}"]}}}' \
    'server a: args names \$\{STOKER_NOT_SET\}, which the environment lacks$'
refuses "a field of another type" '{"mcpServers": {"a": {"command": "sh", "allow": "all"}}}' "server a: allow must be a list of names of tools$"
run run -p Hi --mcp "$dir/absent"
is "no file" 1 "" '^stoker run: --mcp .*/absent: cannot be opened: No such file or directory$'
servers "plain ,\"autoApprove\":[]"
talk
is "an unknown field" 0 . '^stoker: warning: .*/config: server plain: stoker does not know the field autoApprove$'
printf '{"mcpServers": {}}' >"$dir/config"
run run -p 'What is 9 + 4?' --temp 0 --mcp "$dir/config"
is "no server" 0 "=9 + 4 = 13." '=stoker: no MCP server of '"$dir"'/config works; stoker goes on without their tools'

# ---- calls -----------------------------------------------------------------------------------------------------------------
run run -p "$bergen" --temp 0 --mcp examples/weather.json
answers "the example" 'weather__get_weather \{"city": "Bergen"\}$'

servers "plain $allow"
talk
answers "a tool of allow" 'plain__get_weather \{"city": "Bergen"\}$'
grep -q '^MCP server plain: 1 tool$' "$dir/err" && pass || fail "a server" "is not named"
grep -q '"name":"get_weather","arguments":{"city": "Bergen"}' "$dir/calls" && pass || fail "a tool of allow" "gets other arguments"
called "a tool of allow" 1
told "a tool of allow" rain
left "the end"

talk --json
is "JSON" 0 '"name":"plain__get_weather","arguments":"\{\\"city\\": \\"Bergen\\"\}"' ""
[ "$(wc -l <"$dir/out")" -eq 2 ] && pass || fail "JSON" "has not a line for each answer"

servers "plain"
talk
answers "without a terminal" 'plain__get_weather'
called "without a terminal" 0
told "without a terminal" "$no"
talk --json
is "without a terminal, as JSON" 0 '"message":' ""
called "without a terminal, as JSON" 0
printf 'mcp = "%s"\n' "$dir/config" >"$dir/stoker.toml"
run run -p "$bergen" --temp 0 --config "$dir/stoker.toml"
answers "a file of settings" 'plain__get_weather'

servers "plain" "grows $allow"
talk
is "two servers" 0 . '^MCP server plain: 1 tool$'
grep -q '^MCP server grows: 1 tool$' "$dir/err" && pass || fail "two servers" "the second is not named"

# A turn has 25 answers at most, whatever the model wants.
for seed in 1 2 3; do
    run run -p "$bergen" --mcp "$dir/config" --temp 1.5 --seed $seed -n 40 --json
    is "hot, seed $seed" 0 '"message":\{"role":"assistant"' ""
    [ "$(wc -l <"$dir/out")" -le 25 ] && pass || fail "hot, seed $seed" "has more than 25 answers"
done

# What runs at once is shown in part, what a person is asked about is shown whole.
servers "long $allow"
talk
is "a long call" 0 . '^call: long__get_weather \{"city": ".{290} \.\.\.$'
servers "long"
talk
is "a long call to be asked about" 0 . '^call: long__get_weather \{"city": ".{330,}"\}$'

# ---- servers that fail -------------------------------------------------------------------------------------------------------
servers "dies $allow"
talk
answers "a server that dies in a call" 'dies__get_weather'
told "a server that dies in a call" "error: MCP server dies: it has ended with status 3; it said: out of paper"
[ "$(grep -c '^stoker: warning: MCP server dies: it has ended with status 3' "$dir/err")" -eq 1 ] && pass ||
    fail "a server that dies in a call" "is not named once"
left "a server that dies in a call"

servers "ends" "plain $allow"
sed -i 's|"mcpServers": {|&"gone": {"command": "/nonexistent/server"},|' "$dir/config"
talk
answers "servers that are not there" 'plain__get_weather'
for line in 'stoker: warning: MCP server gone: it has ended with status 127; it said: stoker: /nonexistent/server: No such file or directory' \
    'stoker: warning: MCP server ends: it has ended with status 4' 'MCP server plain: 1 tool'; do
    [ "$(grep -cxF "$line" "$dir/err")" -eq 1 ] && pass || fail "servers that are not there" "not once: $line"
done
called "servers that are not there" 1

servers "ends"
run run -p 'What is 9 + 4?' --temp 0 --mcp "$dir/config"
is "no server that works" 0 "=9 + 4 = 13." '^stoker: no MCP server of .*/config works; stoker goes on without their tools$'

# ---- many tools ---------------------------------------------------------------------------------------------------------------
# The name search_tools is unlikely, and nothing else can be written until a search has found something.
against() { # against PART...: flags by which a name that begins so is unlikely
    for part; do printf -- '--logit-bias %s=-30 ' "$("$stoker" tokenize "$ember" "$part" | head -n 1)"; done
}
unlikely=$(against s se sea search)
servers "many $allow"
printf '%s\n' "$bergen" "$bergen" >"$dir/in"
run run --lines --mcp "$dir/config" --temp 0 $unlikely
rm "$dir/in"
is "many tools" 0 . '^MCP server many: 145 tools$'
sed -n 's/^call: //p' "$dir/err" >"$dir/want"
printf '%s\n' 'search_tools {"query": "Bergen"}' 'many__get_weather {"city": "Bergen"}' | cmp -s - "$dir/want" && pass ||
    fail "many tools" "the calls are $(cat "$dir/want")"
called "many tools" 1

mkdir -p "$dir/state/stoker/sessions"
cat >"$dir/state/stoker/sessions/found.json" <<'END'
[{"role": "user", "content": "Find tools."}, {"role": "assistant", "content": "", "tool_calls": [{"id": "call_0", "type": "function",
  "function": {"name": "search_tools", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "call_0",
  "content": "{\"tools\":[{\"name\":\"many__get_weather\"}]}"}, {"role": "assistant", "content": "Found."}]
END
run run -p "$bergen" --mcp "$dir/config" --temp 0 --session found $unlikely
answers "what was found before" 'many__get_weather'
called "what was found before" 2

# ---- beside others --------------------------------------------------------------------------------------------------------------
mkdir "$dir/docs"
echo 'A stone bridge stands on arches.' >"$dir/docs/bridge.txt"
run library add "$dir/docs"
is "a source" 0 '^docs: 1 articles' ""
cat >"$dir/tools" <<END
[{"type": "function", "function": {"name": "calculator", "description": "Compute an arithmetic expression.", "parameters": {"type": "object",
  "properties": {"expression": {"type": "string"}}, "required": ["expression"]}}, "command": "touch $dir/ran"}]
END
servers "plain $allow"
talk --library all --tools "$dir/tools" $unlikely $(against c ca cal calc calculator o op open)
answers "beside the library and a file" 'plain__get_weather \{"city": "'
called "beside the library and a file" 1
run run -p 'Find bridge' --library all --mcp "$dir/config" --temp 0
answers "the library beside it" 'search_library'
run run -p 'What is 37 * 489?' --library all --tools "$dir/tools" --mcp "$dir/config" --temp 0
is "a file beside it" 0 "" '^call: calculator'
[ ! -e "$dir/ran" ] && pass || fail "a file beside it" "ran a command that nobody allowed"
sed 's/calculator/plain__get_weather/' "$dir/tools" >"$dir/clash"
run run -p Hi --tools "$dir/clash" --mcp "$dir/config"
[ "$status" -eq 2 ] && grep -q '^stoker run: --tools and --mcp both have a tool plain__get_weather$' "$dir/err" && pass ||
    fail "two of a name" "exit status $status"
# What a result takes is a part of the plan, and two lists that may grow.
needs() { # needs FLAG...: MiB that a plan needs at least
    run run -p Hi --memory 8M "$@"
    sed -n 's/.* needs at least \([0-9.]*\) MiB.*/\1/p' "$dir/err"
}
needs >"$dir/without"
needs --mcp "$dir/config" >"$dir/with"
paste "$dir/without" "$dir/with" | awk '{ more = $2 - $1 } END { exit !(more > 24.65 && more < 25.05) }' && pass ||
    fail "the plan" "needs $(cat "$dir/with") MiB with servers, $(cat "$dir/without") without"

# ---- the end ---------------------------------------------------------------------------------------------------------------------
start() { # start: stoker is in a call of a server that does not answer it
    rm -f "$dir/calls" "$dir/cancelled"
    "$stoker" run -p "$bergen" --mcp "$dir/config" --temp 0 </dev/null >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for $limit [ -s "$dir/calls" ] || fail "a call" "does not come"
}
servers "slow $allow"
start
kill -INT $pid
wait $pid
status=$?
[ $status -eq 130 ] && [ "$(tail -n 1 "$dir/err")" = '(stopped)' ] && [ ! -s "$dir/out" ] && pass || fail "Ctrl-C in a call" "exit status $status"
grep -q '"requestId":3' "$dir/cancelled" && pass || fail "Ctrl-C in a call" "the server is not told"
left "Ctrl-C in a call"

for signal in KILL TERM; do
    servers "slow $allow" "stays $allow"
    start
    kill -$signal $pid
    wait $pid 2>/dev/null
    left "SIG$signal in a call"
done

for signal in TERM HUP INT KILL; do
    servers "starts $allow"
    start
    kill -$signal $pid
    if [ $signal = INT ]; then # the first one lets the turn end, the second one ends the program
        wait_for $limit [ -s "$dir/cancelled" ] || fail "Ctrl-C in a call" "the server is not told"
        kill -INT $pid 2>/dev/null
    fi
    wait $pid 2>/dev/null
    left "SIG$signal, of a server that has started a program"
done
sed -i "s|\"sh\", \"args\": \[|\"sh\", \"args\": [\"-c\", \"sleep 1000 \& echo \$! >$dir/pid.own; setsid sleep 1000 \& echo \$! >$dir/pid.away; echo \$\$ >$dir/pid.mute; wait\", |" "$dir/config"
for signal in TERM HUP KILL; do
    rm -f "$dir"/pid.*
    "$stoker" run -p "$bergen" --mcp "$dir/config" </dev/null >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for $limit [ -s "$dir/pid.mute" ] || fail "a mute server" "does not start"
    kill -$signal $pid
    wait $pid 2>/dev/null
    left "SIG$signal while servers start"
done

# ---- a person ----------------------------------------------------------------------------------------------------------------------
needs_terminal "a person"
servers "plain"
begin "'$stoker' run --temp 0 --mcp '$dir/config'$after"
see "a server" '^MCP server plain: 1 tool$'
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys "$bergen\\r"
see "a call" '^call: plain__get_weather \{"city": "Bergen"\}$'
see "a question" '^run it\? \[y/always/N\] '
keys 'n\r'
see "a prompt again" '^> ' 2
called "no" 0
keys "$bergen\\r"
see "a question again" '^run it\? ' 2
keys 'y\r'
see "a prompt again" '^> ' 3
called "yes" 1
keys "$bergen\\r"
see "a question once more" '^run it\? ' 3
keys '\003'
see "Ctrl-C at a question" '^\(stopped\)$'
see "a prompt again" '^> ' 4
called "Ctrl-C at a question" 1
keys "$bergen\\r"
see "the last question" '^run it\? ' 4
keys 'always\r'
see "a prompt again" '^> ' 5
called "always" 2
keys "$bergen\\r"
see "a prompt again" '^> ' 6
called "behind always" 3
shown 5 '^run it\? ' && fail "behind always" "it is asked again" || pass
keys "/save $dir/saved\\r"
see "/save" 'messages are in'
keys '\004'
ends "a person" "$sane"
grep -q 'the person at the terminal said no to this call' "$dir/saved" && pass || fail "no" "the model is not told"
left "a person"

# Progress, and Ctrl-C, which ends the call and not the program.
servers "slow $allow"
begin "'$stoker' run --temp 0 --mcp '$dir/config'$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys "$bergen\\r"
progress() { tr '\r' '\n' <"$dir/out" | grep -q '^slow__get_weather: half done'; }
wait_for $limit progress && pass || fail "progress" "is not shown"
keys '\003'
see "Ctrl-C in a call" '^\(stopped\)$'
see "a prompt again" '^> ' 2
shows 'half done' && fail "progress" "its line stays" || pass
keys 'What is 9 + 4?\r'
see "an answer behind it" '^9 \+ 4 = 13\.$'
keys '\004'
ends "Ctrl-C in a call" "$sane"
grep -q requestId "$dir/cancelled" && pass || fail "Ctrl-C in a call" "the server is not told"
left "Ctrl-C in a call"

# A list that changed is the next conversation's: this one's model cannot call what is new. "Always" is said of a tool, not of a server.
servers "grows"
begin "'$stoker' run --temp 0 --mcp '$dir/config'$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys "$bergen\\r"
see "a question" '^run it\? '
keys 'a\r'
see "a prompt again" '^> ' 2
keys "$bergen\\r"
see "a prompt again" '^> ' 3
called "a list that changed" 2
keys '/clear\r'
see "a prompt again" '^> ' 4
keys "$bergen\\r"
see "a call of what is new" '^call: grows__get_tide'
see "a question about it" '^run it\? ' 2
keys '\r'
see "a prompt again" '^> ' 5
called "a list that changed" 2
keys '\004'
ends "a list that changed" "$sane"

# A signal while a person may type.
servers "starts $allow"
begin "'$stoker' run --temp 0 --mcp '$dir/config'$after"
see "a hint" '/help lists commands'
parent() { ps -o ppid= -p "$1" | tr -d ' '; }
kill "$(parent "$(parent "$(cat "$dir/pid.starts")")")"
ends "SIGTERM at the prompt" '^ended 143 echo icanon isig$'
left "SIGTERM at the prompt"

# What a server writes to stderr waits while a person answers or writes.
says() { # says N WHAT: the server writes to stderr, and nothing of it is shown
    : >"$dir/speak.$1"
    wait_for $limit [ -e "$dir/spoken.$1" ] || fail "$2" "the server says nothing"
    sleep 0.5
    shows "word 1 of" && fail "$2" "a server's line comes between" || pass
}
servers "speaks"
begin "'$stoker' run --temp 0 --mcp '$dir/config'$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys "$bergen\\r"
see "a question" '^run it\? '
says 1 "at a question"
keys 'n\r'
see "behind an answer" 'MCP server speaks says: word 1 of 1$'
see "a prompt again" '^> ' 2
keys '\004'
ends "a server's stderr at a question" "$sane"
servers "speaks"
rm "$dir"/speak.* "$dir"/spoken.*
begin "'$stoker' run --temp 0 --mcp '$dir/config'$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
: >"$dir/speak.1"
says 2 "at a prompt"
keys 'What is 9 + 4?\r'
see "behind a line" 'MCP server speaks says: word 31 of 40$'
see "behind a line" '^stoker: 9 more lines of the log are not shown$'
shows 'word 32 of 40' && fail "behind a line" "more than 32 lines waited" || pass
see "an answer behind it" '^9 \+ 4 = 13\.$'
keys '\004'
ends "a server's stderr at a prompt" "$sane"

# Ctrl-C while a command of --tools runs is told too.
cat >"$dir/tools" <<END
[{"type": "function", "function": {"name": "get_weather", "description": "Get the current weather of a city.", "parameters": {"type": "object",
  "properties": {"city": {"type": "string", "description": "City name"}}, "required": ["city"]}}, "command": "echo begun >$dir/begun; sleep 100"}]
END
begin "'$stoker' run --temp 0 --tools '$dir/tools'$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys "$bergen\\r"
see "a command" '^run it\? '
keys 'y\r'
wait_for $limit [ -s "$dir/begun" ] || fail "a command" "does not begin"
keys '\003'
see "Ctrl-C in a command" '^\(stopped\)$'
see "a prompt again" '^> ' 2
keys '\004'
ends "Ctrl-C in a command" "$sane"
done_testing
