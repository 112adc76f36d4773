# stoker mcp: an MCP server over stdin and stdout: the library's tools, those of another server (stoker mcp again) behind two; clients of
# both eras; lines that are wrong; calls that are cancelled; nothing is left behind.
. tests/cli/harness

lib=$dir/lib/
md=.md
mkdir "$dir/notes"
printf '# Water\nBoil water for one minute to make it safe.\n\n## Filters\nA sand filter removes dirt, and no germs.\n' >"$dir/notes/water$md"
"$stoker" library add "$dir/notes" --library "$lib" >"$dir/log" 2>&1 || fail "library add" "$(cat "$dir/log")"

meta='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
id=0
: >"$dir/in"
ask() { # ask METHOD [PARAMS]: a request of 2026-07-28; its id is the next number
    id=$((id + 1))
    printf '{"jsonrpc":"2.0","id":%d,"method":"%s","params":{%s%s}}\n' $id "$1" "${2:+$2,}" "$meta" >>"$dir/in"
}
say() { printf '%s\n' "$1" >>"$dir/in"; }
begin() {
    id=0
    : >"$dir/in"
}
answers() { # answers WHAT ID WANT: the line of this answer has it
    grep -E "\"id\":$2," "$dir/out" | grep -Eq -- "$3" && pass || fail "$1" "answer $2 has no $3"
}
is_silent() { [ ! -s "$dir/err" ] && pass || fail "$1" "stderr is not empty"; }

# ---- the library, without initialize ---------------------------------------------------------------------------------------
ask server/discover
ask tools/list
ask tools/call '"name":"search_library","arguments":{"query":"safe water"}'
ask no/such
ask tools/call '"name":"search_library","arguments":{"q":"x"}'
ask tools/call '"name":"search_tools","arguments":{"query":"x"}'
run mcp --library "$lib"
[ "$status" -eq 0 ] && pass || fail "mcp" "exit status $status"
is_silent "mcp"
answers "discover" 1 '"supportedVersions":\["2026-07-28"\].*search_library finds'
answers "the tools" 2 '"tools":\[\{"name":"search_library",.*"readOnlyHint":true.*\{"name":"open_article",.*"ttlMs":[0-9]+,"cacheScope":"private"'
answers "a search" 3 '"resultType":"complete".*"text":"\[1\] Water.*Boil water for one minute'
answers "another method" 4 '"error":\{"code":-32601,"message":"There is no such method: no/such"'
answers "arguments that are wrong" 5 '"text":"error: search_library takes .*"isError":true'
answers "no other servers" 6 '"code":-32602,"message":"Unknown tool: search_tools"'

# ---- clients of before ------------------------------------------------------------------------------------------------------
begin
say '{"jsonrpc":"2.0","id":"a","method":"ping"}'
say '{"jsonrpc":"2.0","id":"b","method":"tools/list"}'
say '{"jsonrpc":"2.0","id":"c","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}'
say '{"jsonrpc":"2.0","method":"notifications/initialized"}'
say '{"jsonrpc":"2.0","id":"d","method":"tools/call","params":{"name":"open_article","arguments":{"id":"notes:1:1"}}}'
run mcp --library "$lib"
answers "ping" '"a"' '"result":\{\}'
answers "a list without a revision" '"b"' '"code":-32602,"message":"params._meta lacks .* begin with initialize"'
answers "initialize" '"c"' '"result":\{"protocolVersion":"2025-06-18",.*"serverInfo":\{"name":"stoker"'
answers "an article by its id" '"d"' '"content":\[\{"type":"text","text":"\[1\] Water'
grep -q resultType "$dir/out" && fail "a client of before" "is answered in words of 2026-07-28" || pass

# ---- lines that are wrong ---------------------------------------------------------------------------------------------------
begin
say '{"jsonrpc": "2.0", "id": 1, "method"'
say ''
say '[1]'
say '{"jsonrpc":"2.0","id":5,"result":{}}'
head -c 9000000 /dev/zero | tr '\0' x >>"$dir/in"
say ''
printf '\xff\xfe{\n' >>"$dir/in"
ask tools/list
printf '{"jsonrpc":"2.0","id":"last","method":"ping"}' >>"$dir/in" # no end of line
run mcp --library "$lib"
[ "$status" -eq 0 ] && [ "$(wc -l <"$dir/out")" -eq 6 ] && pass || fail "wrong lines" "not six answers"
[ "$(grep -c '"id":null,"error":{"code":-32700' "$dir/out")" -eq 2 ] && pass || fail "wrong lines" "not two that are no JSON"
grep -q '"id":null,"error":{"code":-32600,"message":"a line has 8 MiB at most"' "$dir/out" && pass || fail "a long line" "is not named"
answers "behind wrong lines" 1 '"tools":\['
answers "a line without its end" '"last"' '"result":\{\}'

# ---- another server behind two tools: stoker itself -------------------------------------------------------------------------
printf '{"mcpServers":{"docs":{"command":"%s","args":["mcp","--library","%s"],"defer":true},"lost":{"command":"%s/none"}}}\n' \
    "$stoker" "$lib" "$dir" >"$dir/servers.json"
begin
ask tools/list
ask tools/call '"name":"search_tools","arguments":{"query":"library passages"}'
ask tools/call '"name":"call_tool","arguments":{"name":"docs__search_library","arguments":{"query":"germs"}}'
ask tools/call '"name":"call_tool","arguments":{"name":"docs__search_library","arguments":{"limit":2}}'
ask tools/call '"name":"call_tool","arguments":{"name":"docs__none","arguments":{}}'
run mcp --mcp "$dir/servers.json"
[ "$status" -eq 0 ] && grep -q '^MCP server docs: 2 tools$' "$dir/err" && grep -q 'lost' "$dir/err" && pass || fail "--mcp" "servers are not named"
answers "two tools" 1 '"tools":\[\{"name":"search_tools",.*\{"name":"call_tool",[^]]*\]'
grep -q '"name":"docs__' "$dir/out" && grep '"id":1,' "$dir/out" | grep -q docs__ && fail "two tools" "others are listed" || pass
answers "a search of tools" 2 'docs__search_library'
answers "a call of a found tool" 3 '"text":"\[1\] Water > Filters.*no germs'
answers "arguments that do not fit" 4 '"text":"error: arguments.query is missing"\}\],"isError":true'
answers "a tool that is not there" 5 'search_tools finds names"\}\],"isError":true'
run mcp --mcp "$dir/servers.json" --library "$lib"
answers "both" 1 '"name":"search_library".*"name":"search_tools"'
sed 's/"defer":true/"defer":false/' "$dir/servers.json" >"$dir/shown.json"
run mcp --mcp "$dir/shown.json"
answers "tools that are not deferred" 1 '"tools":\[\{"name":"docs__search_library"'

# ---- a call that is cancelled, or whose client goes; nothing is left -------------------------------------------------------
printf 'setsid sleep 1000 &\necho $! >"%s/pid.own"\necho $$ >"%s/pid"\nread -r line; printf %s\n' "$dir" "$dir" \
    "'{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}}}}\\n'" >"$dir/slow"
printf 'while read -r line; do case $line in *tools/list*) id=${line#*\\"id\\":}; id=${id%%%%,*}; printf %s "$id" ;; *tools/call*) : >"%s/called" ;; *cancelled*) : >"%s/cancelled" ;; esac; done\n' \
    "'{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"tools\":[{\"name\":\"wait\",\"inputSchema\":{\"type\":\"object\"}}]}}\\n'" "$dir" "$dir" >>"$dir/slow"
printf '{"mcpServers":{"s":{"command":"sh","args":["%s/slow"]}}}\n' "$dir" >"$dir/slow.json"
mkfifo "$dir/pipe"
talk() { # talk: stoker mcp with a pipe on descriptor 3, a call under way
    rm -f "$dir/called" "$dir/cancelled" "$dir/pid"
    "$stoker" mcp --mcp "$dir/slow.json" <"$dir/pipe" >"$dir/out" 2>"$dir/err" &
    pid=$!
    exec 3>"$dir/pipe"
    begin
    ask tools/list
    ask tools/call '"name":"s__wait","arguments":{}'
    cat "$dir/in" >&3
    wait_for $limit [ -e "$dir/called" ] && pass || fail "a slow call" "is not made"
}
gone() { is_gone "$(cat "$dir/pid")" && is_gone "$(cat "$dir/pid.own")"; } # the server, and what it has started
talk
printf '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}\n' >&3
wait_for $limit [ -e "$dir/cancelled" ] && pass || fail "a cancelled call" "its server is not told"
printf '{"jsonrpc":"2.0","id":"p","method":"ping","params":{}}\n' >&3
wait_for $limit grep -q '"id":"p"' "$dir/out" && pass || fail "behind a cancelled call" "nothing is answered"
grep -q '"id":2,' "$dir/out" && fail "a cancelled call" "is answered" || pass
exec 3>&-
wait $pid && pass || fail "the end of stdin" "exit status $?"
wait_for $limit gone && pass || fail "the end of stdin" "the server is left"
talk
exec 3>&-
wait $pid && pass || fail "a client that goes in a call" "exit status $?"
wait_for $limit gone && pass || fail "a client that goes in a call" "the server is left"
talk
kill -9 $pid
wait $pid 2>/dev/null
exec 3>&-
wait_for $limit gone && pass || fail "SIGKILL" "the server is left"
talk
own=$(cat "$dir/pid.own")
kill -9 "$(ps -o ppid= -p "$(cat "$dir/pid")" | tr -d ' ')"
wait_for $limit is_gone "$(cat "$dir/pid")" && pass || fail "SIGKILL of a guard" "the server is left"
kill -9 "$own"
exec 3>&-
wait $pid && pass || fail "SIGKILL of a guard" "exit status $?"
killed() { # killed WHAT ARGUMENT...: stoker with the server is, when that has started
    what=$1
    shift
    rm -f "$dir/pid"
    "$stoker" "$@" --mcp "$dir/slow.json" </dev/null >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for $limit [ -s "$dir/pid" ] || fail "$what" "the server does not start: $(tail -n 1 "$dir/err")"
    kill -9 $pid
    wait $pid 2>/dev/null
    wait_for $limit gone && pass || fail "SIGKILL of $what" "the server is left"
}
killed "mcp --http" mcp --http 0
killed serve serve "$ember" --port 0

# ---- calls that have more memory than there is for them: their server reads nothing --------------------------------------------
sed 's|"$id" ;;|"$id"; exec sleep 1000 ;;|' "$dir/slow" >"$dir/deaf"
sed 's|/slow"\]|/deaf"], "timeout": 600|' "$dir/slow.json" >"$dir/deaf.json"
head -c 7900000 /dev/zero | tr '\0' x >"$dir/text"
large() { # large ID: a call of 7.9 MB
    printf '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"s__wait","arguments":{"text":"' "$1"
    cat "$dir/text"
    printf '"},%s}}\n' "$meta"
}
reads() { # reads ID: everything before it was read
    printf '{"jsonrpc":"2.0","id":"%s","method":"ping","params":{}}\n' "$1" >&3
    wait_for $limit grep -q "\"id\":\"$1\"" "$dir/out" && pass || fail "large calls" "a small request is not answered behind them"
}
"$stoker" mcp --mcp "$dir/deaf.json" <"$dir/pipe" >"$dir/out" 2>"$dir/err" &
pid=$!
exec 3>"$dir/pipe"
for n in $(seq 16); do large "$n"; done >&3
reads a
refused=$(grep -c '"error":{"code":-32000,"message":"requests that are under way have the memory for requests: ask again when' "$dir/out")
answered=$(grep -c '"id":[0-9]' "$dir/out")
[ "$refused" -ge 1 ] && [ "$answered" -ge 8 ] && [ "$answered" -le 14 ] && pass ||
    fail "large calls" "$answered of 16 are answered, $refused of them by a refusal"
if grep -q -e __asan_init -e __tsan_init "$stoker"; then
    skip "memory of large calls" "sanitizers have memory of their own"
else
    peak=$(awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/$pid/status")
    [ "$peak" -le 128 ] && pass || fail "memory of large calls" "it came to $peak MiB"
fi
for n in $(seq 16); do printf '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}\n' "$n"; done >&3
sleep 1
large 17 >&3
reads b
grep -q '"id":17,' "$dir/out" && fail "behind cancelled calls" "there is no memory: $(grep '"id":17,' "$dir/out")" || pass
exec 3>&-
wait $pid && pass || fail "the end behind large calls" "exit status $?"

# ---- servers that take their time: the client is answered meanwhile ----------------------------------------------------------
printf '{"mcpServers":{"late":{"command":"sh","args":["-c","while [ ! -e %s/go ]; do sleep 0.05; done; exec sh %s/tests/cli/mcp_server plain %s"]}}}\n' \
    "$dir" "$PWD" "$dir" >"$dir/late.json"
begin
say '{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}'
say '{"jsonrpc":"2.0","id":"b","method":"tools/list"}'
say '{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"late__get_weather","arguments":{"city":"Bergen"}}}'
say '{"jsonrpc":"2.0","id":"d","method":"ping"}'
hears() { # hears FLAG...: stoker mcp has read the requests, and none of its servers has listed its tools
    rm -f "$dir/go"
    "$stoker" mcp "$@" <"$dir/pipe" >"$dir/out" 2>"$dir/err" &
    pid=$!
    exec 3>"$dir/pipe"
    cat "$dir/in" >&3
    wait_for 10 grep -q '"id":"d"' "$dir/out" && pass || fail "servers that start" "ping is not answered"
}
hears --mcp "$dir/late.json"
answers "initialize while servers start" '"a"' '"result":\{"protocolVersion":"2025-11-25"'
grep -Eq '"id":"[bc]"' "$dir/out" && fail "servers that start" "their list is answered before it is there" || pass
: >"$dir/go"
wait_for $limit grep -q '"id":"c"' "$dir/out" && wait_for $limit grep -q '"id":"b"' "$dir/out" && pass || fail "servers that have started" "nothing is answered"
answers "a list that was waited for" '"b"' '"name":"late__get_weather"'
answers "a call that was waited for" '"c"' '"text":"rain"'
wait_for $limit grep -q '^MCP server late: 1 tool$' "$dir/err" && pass || fail "a server that was late" "is not named"
exec 3>&-
wait $pid && pass || fail "behind servers that were late" "exit status $?"
hears --mcp "$dir/late.json"
exec 3>&- # who asked wants answers still
sleep 2
: >"$dir/go"
wait $pid && pass || fail "the end of stdin while servers start" "exit status $?"
answers "a list behind the end of stdin" '"b"' '"name":"late__get_weather"'
hears --mcp "$dir/late.json"
kill -TERM $pid
wait $pid
[ $? -gt 128 ] && pass || fail "SIGTERM while servers start" "exit status is none of a signal"
exec 3>&-

# ---- a client that reads nothing any more, signals, a file of servers that names itself ------------------------------------
mkfifo "$dir/unread"
ended() { ! kill -0 $pid 2>/dev/null; }
for method in ping tools/list; do # answered by the thread that reads, and by others; an answer has its request's id, of 60,000 bytes here
    exec 4<>"$dir/unread"
    for n in 1 2 3; do printf '{"jsonrpc":"2.0","id":"%d%060000d","method":"%s","params":{%s}}\n' $n 0 $method "$meta"; done >"$dir/in"
    "$stoker" mcp --library "$lib" <"$dir/pipe" >"$dir/unread" 2>"$dir/err" &
    pid=$!
    cat "$dir/in" >"$dir/pipe"
    wait_for $limit ended && pass || fail "a client that does not read, $method" "stoker stays"
    kill -9 $pid 2>/dev/null
    wait $pid && pass || fail "a client that does not read, $method" "exit status $?"
    exec 4>&-
done
child_gone() { is_gone "$(cat "$dir/parent.child")"; }
for signal in TERM INT HUP; do
    sed 's/^read/sleep 1000 \& echo $! >"$0.child"\nread/' "$dir/slow" >"$dir/parent"
    printf '{"mcpServers":{"s":{"command":"sh","args":["%s/parent"]}}}\n' "$dir" >"$dir/slow.json"
    rm -f "$dir/parent.child"
    talk
    kill -$signal $pid
    wait $pid
    [ $? -gt 128 ] && pass || fail "SIG$signal" "exit status is none of a signal"
    wait_for $limit gone && pass || fail "SIG$signal" "the server is left"
    wait_for $limit child_gone && pass || fail "SIG$signal" "what the server started is left"
    exec 3>&-
done
printf '{"mcpServers":{"self":{"command":"%s","args":["mcp","--mcp","%s/self.json"]}}}\n' "$stoker" "$dir" >"$dir/self.json"
begin
ask tools/list
run mcp --mcp "$dir/self.json"
[ "$status" -eq 0 ] && grep -q 'take stoker out of the file' "$dir/err" && pass || fail "a file that names itself" "is not named"
answers "a file that names itself" 1 '"tools":\[\]'

# ---- what cannot be ---------------------------------------------------------------------------------------------------------
rm -f "$dir/in"
run mcp --library "$dir/none/"
is "no library" 1 "" "has no sources; stoker library add makes one$"
run mcp --library nosuch --library "$lib"
is "no such source" 1 "" "nosuch"
echo '{' >"$dir/broken.json"
run mcp --mcp "$dir/broken.json"
is "CONFIG that is no JSON" 2 "" "^stoker mcp: --mcp $dir/broken.json"
run mcp --mcp "$dir/none.json"
is "no CONFIG" 1 "" "none.json: .*No such file"
run mcp --http 0 --library "$dir/none/"
is "no library, over HTTP" 1 "" "has no sources; stoker library add makes one"
run mcp --http 0 --library "$lib" --host 0.0.0.0
is "other machines without a key" 2 "" "--host 0.0.0.0 lets other machines ask: give --api-key-file"
run mcp --http 0 --library "$lib" --cors evil.example
is "an origin that is none" 2 "" "^stoker mcp: --cors evil.example: an origin is scheme://host"
run mcp --http 70000
is "a port that is none" 2 "" "--http 70000: whole numbers from 0 to 65535"
run mcp extra
is "a word too many" 2 "" "extra"
done_testing
