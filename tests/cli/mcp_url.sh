# MCP servers with a url: stoker mcp --http behind one, its keys, TLS, what of CONFIG is refused, and that the bridge tells nobody its headers
# and ends with stoker. What servers do wrong: tests/unit/bridge/bridge.c.
. tests/cli/harness

lib=$dir/lib/
mkdir "$dir/notes"
printf 'Water\n\nBoil water for one minute to make it safe.\n' >"$dir/notes/water.txt"
"$stoker" library add "$dir/notes" --library "$lib" >"$dir/log" 2>&1 || fail "library add" "$(cat "$dir/log")"
echo key-of-a-client >"$dir/keys"
export TOKEN=key-of-a-client

peer() { # peer FLAG...: stoker mcp --http as $peer, at $at
    : >"$dir/listens"
    "$stoker" mcp --http 0 --library "$lib" "$@" >"$dir/listens" 2>"$dir/peer.log" &
    peer=$!
    wait_for 60 grep -q '^listening on ' "$dir/listens" || fail "mcp --http" "does not listen: $(tail -n 1 "$dir/peer.log")"
    at=$(sed 's/^listening on //' "$dir/listens")
}
peer_ends() {
    kill -TERM $peer
    wait $peer && pass || fail "mcp --http" "does not end well"
}
config() { printf '{"mcpServers": {"web": {%s}}}\n' "$1" >"$dir/config"; }
meta='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
find='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"web__search_library","arguments":{"query":"water"},'$meta'}}'
asks() { # asks WHAT WANT: of the server that CONFIG names
    echo "$find" >"$dir/in"
    run mcp --mcp "$dir/config"
    [ "$status" -eq 0 ] && grep -Eq -- "$2" "$dir/out" && pass || fail "$1" "no $2"
    rm "$dir/in"
}
warns() { # warns WHAT SENTENCE: that the server does not work
    asks "$1" '"code":-32602,"message":"Unknown tool: web__search_library'
    grep -Eq "^stoker: warning: MCP server web: $2" "$dir/err" && pass || fail "$1" "is not named: $2"
}

# ---- CONFIG ----------------------------------------------------------------------------------------------------------------
refuses() { # refuses WHAT FIELDS SENTENCE
    config "$2"
    run mcp --mcp "$dir/config"
    is "$1" 2 "" "^stoker mcp: --mcp .*/config: server web: $3"
}
refuses "no scheme" '"url": "127.0.0.1:80/mcp"' 'url must begin with http:// or https:// and a host$'
refuses "another scheme" '"url": "file:///etc/passwd"' 'url must begin with http:// or https:// and a host$'
refuses "no host" '"url": "https:///mcp"' 'url must begin with http:// or https:// and a host$'
refuses "a user" '"url": "http://me:secret@127.0.0.1/mcp"' 'url has a user before its host; say who asks in headers$'
refuses "a blank" '"url": "http://127.0.0.1/a b"' 'url has a blank, a #'
refuses "a fragment" '"url": "http://127.0.0.1/a#b"' 'url has a blank, a #'
refuses "a variable in a url" '"url": "http://${STOKER_NOT_SET}/"' 'url names \$\{STOKER_NOT_SET\}, which the environment lacks$'
refuses "a url that is no text" '"url": 7' 'url must be a text'
refuses "headers that are no object" '"url": "http://127.0.0.1/", "headers": ["a"]' 'headers must be an object of texts$'
refuses "a header that is no text" '"url": "http://127.0.0.1/", "headers": {"A": 7}' 'headers must be a text'
refuses "a header with a line" '"url": "http://127.0.0.1/", "headers": {"A": "b\r\nC: d"}' "headers has a value with a line's end"
refuses "a header's name" '"url": "http://127.0.0.1/", "headers": {"A b": "c"}' 'headers has a name that no header can have$'
refuses "an empty header" '"url": "http://127.0.0.1/", "headers": {"A": ""}' 'headers has an empty value$'
refuses "a header of blanks" '"url": "http://127.0.0.1/", "headers": {"A": "  "}' 'headers has an empty value$'
refuses "an encoding" '"url": "http://127.0.0.1/", "headers": {"Accept-Encoding": "gzip"}' 'headers names one that stoker sends itself$'
refuses "a header of ours" '"url": "http://127.0.0.1/", "headers": {"MCP-Session-ID": "c"}' 'headers names one that stoker sends itself$'
refuses "a parameter's header" '"url": "http://127.0.0.1/", "headers": {"Mcp-Param-X": "c"}' 'headers names one that stoker sends itself$'
refuses "a variable in a header" '"url": "http://127.0.0.1/", "headers": {"A": "${STOKER_NOT_SET}"}' 'headers names \$\{STOKER_NOT_SET\}, which'
refuses "the transport of before" '"url": "http://127.0.0.1/", "type": "sse"' 'type sse is the transport of before 2025'
refuses "both" '"url": "http://127.0.0.1/", "command": "sh"' 'has both a command and a url'

# ---- a server that is there -------------------------------------------------------------------------------------------------
config '"url": "http://127.0.0.1:1/secret/mcp?key=secret"'
warns "nobody there" 'it has ended with status 1; it said: http://127.0.0.1:1 cannot be reached: '
grep -q secret "$dir/err" && fail "nobody there" "what is behind the host is told" || pass
if grep -q 'libcurl' "$dir/err"; then
    skip "servers with a url" "libcurl is not installed"
    done_testing
    exit
fi
peer
config "\"url\": \"$at/mcp\""
asks "stoker behind a url" '"text":"\[1\] water'
grep -q '^MCP server web: 2 tools$' "$dir/err" && pass || fail "stoker behind a url" "is not named"
config "\"url\": \"$at/mcp\", \"args\": [\"x\"], \"cwd\": \"/\", \"type\": \"http\""
asks "fields of commands" '"text":"\[1\] water'
[ "$(grep -c 'server web: \(args\|cwd\) does nothing beside a url$' "$dir/err")" -eq 2 ] && pass || fail "fields of commands" "are not named"
unset no_proxy NO_PROXY
export http_proxy=http://127.0.0.1:1/ ALL_PROXY=http://127.0.0.1:1/
asks "a proxy of the environment" '"text":"\[1\] water'
unset http_proxy ALL_PROXY
config "\"url\": \"$at/none\""
warns "another path" 'it refuses both server/discover and initialize: there is no route /none$'
peer_ends

peer --api-key-file "$dir/keys"
config "\"url\": \"$at/mcp\""
warns "no key" 'it refuses both server/discover and initialize: an API key is needed'
config "\"url\": \"$at/mcp\", \"headers\": {\"Authorization\": \"Bearer \${TOKEN}\"}"
asks "a key" '"text":"\[1\] water'

# ---- the bridge --------------------------------------------------------------------------------------------------------------
mkfifo "$dir/hold"
"$stoker" mcp --mcp "$dir/config" <"$dir/hold" >"$dir/out" 2>"$dir/err" &
holder=$!
exec 3>"$dir/hold"
wait_for 30 grep -q '^MCP server web' "$dir/err" || fail "the bridge" "does not start"
guard=$(ps -o pid= --ppid $holder | tr -d " ")
bridge=$(ps -o pid= --ppid $guard | tr -d " ")
[ "$(cat "/proc/$bridge/comm")" = stoker-mcp-http ] && pass || fail "the bridge" "has another name"
tr '\0' ' ' <"/proc/$bridge/cmdline" | grep -q 'key-of\|http:' && fail "the bridge" "tells its headers" || pass
kill -KILL $holder
wait $holder 2>/dev/null
wait_for 10 is_gone "$bridge" && wait_for 10 is_gone "$guard" && pass || fail "the bridge" "outlives stoker"
exec 3>&-
"$stoker" --mcp-http </dev/null >"$dir/out" 2>"$dir/err"
status=$?
is "the bridge by hand" 1 "" '^stoker starts this for MCP servers with a url'
peer_ends

# ---- TLS: a server whose certificate nobody knows, or who is somebody else; it answers with lines from behind, and not with HTTP ---
if command -v openssl >/dev/null; then
    for host in 127.0.0.1 other; do
        case $host in *.*) name=IP:$host ;; *) name=DNS:$host ;; esac
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$host" -addext "subjectAltName=$name" -keyout "$dir/$host.key" \
            -out "$dir/$host.pem" 2>"$dir/log" || fail "openssl" "makes no certificate"
    done
    tls() { # tls HOST: a server with its certificate, at $port
        : >"$dir/tls"
        openssl s_server -accept 127.0.0.1:0 -cert "$dir/$1.pem" -key "$dir/$1.key" -rev >"$dir/tls" 2>&1 &
        tls=$!
        wait_for 10 grep -q '^ACCEPT 127' "$dir/tls" || fail "openssl" "does not listen"
        port=$(sed -n 's/^ACCEPT 127.0.0.1://p' "$dir/tls")
        config "\"url\": \"https://127.0.0.1:$port/mcp\""
    }
    tls 127.0.0.1
    warns "a certificate that nobody knows" 'it has ended with status 1; it said: https://127.0.0.1:[0-9]* cannot be reached: .*certificate'
    export SSL_CERT_FILE="$dir/127.0.0.1.pem"
    warns "a certificate that is known" 'it has ended with status 1; it said: .* cannot be reached: .*HTTP/0.9'
    kill $tls
    tls other
    export SSL_CERT_FILE="$dir/other.pem"
    warns "another host's certificate" 'it has ended with status 1; it said: .* cannot be reached: .*certificate subject name'
    kill $tls
else
    skip "TLS" "openssl is not installed"
fi
done_testing
