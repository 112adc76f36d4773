# Several servers behind packaging/haproxy.cfg: a conversation stays on one, also when another one dies.
. tests/cli/harness

touch "$dir/out" "$dir/err"
for tool in haproxy curl; do
    command -v $tool >/dev/null || {
        skip "three servers" "$tool is not installed"
        done_testing
        exit
    }
done
pids=
trap 'kill -9 $pids 2>/dev/null; rm -rf "$dir"' EXIT

port_of() { sed -n 's,^listening on http://.*:,,p' "$dir/$1.log" | grep .; }
for s in a b c; do
    "$stoker" serve "$ember" --port 0 --ctx 1024 --parallel 2 --memory 400M --cache-ram 64M --threads 1 >"$dir/$s.log" 2>"$dir/$s.err" &
    pids="$pids $!"
    eval "pid_$s=$!"
    wait_for 20 port_of $s >"$dir/$s.port"
    wait_for 60 curl -sf -o /dev/null "http://127.0.0.1:$(cat "$dir/$s.port")/health" || fail "server $s" "does not start"
done

# A free port: haproxy does not report a port that it has chosen.
front=$((20000 + $$ % 20000))
sed "s/bind 127.0.0.1:8080/bind 127.0.0.1:$front/; s/8081/$(cat "$dir/a.port")/; s/8082/$(cat "$dir/b.port")/; s/8083/$(cat "$dir/c.port")/
    s/^    default_backend nodes/&\n    http-response set-header x-node %[srv_name]/; s/inter 2s/inter 200ms/" packaging/haproxy.cfg >"$dir/haproxy.cfg"
haproxy -c -f "$dir/haproxy.cfg" >"$dir/out" 2>"$dir/err" && pass || fail "haproxy.cfg" "is not valid"
haproxy -db -f "$dir/haproxy.cfg" >"$dir/haproxy.log" 2>&1 &
pids="$pids $!"
url=http://127.0.0.1:$front
wait_for 20 curl -sf -o /dev/null $url/health || fail "haproxy" "does not answer"

words='The river runs under the stone bridge, past the mill and the old lamp, and seven boats lie in the green harbour by the quiet wood. '
# turn CONVERSATION TURN: its node, its key, and how much of its prompt was cached
turn() {
    messages="{\"role\":\"system\",\"content\":\"Be brief. $words$words\"},{\"role\":\"user\",\"content\":\"Number $1. $words$words\"}"
    [ "$2" -eq 1 ] || messages="$messages,{\"role\":\"assistant\",\"content\":\"Yes.\"},{\"role\":\"user\",\"content\":\"And more?\"}"
    curl -s -D "$dir/head" "$url/v1/chat/completions" -d "{\"messages\":[$messages],\"max_tokens\":4,\"temperature\":0}" >"$dir/out"
    echo "$(sed -n 's/^x-node: \([a-z]*\).*/\1/p' "$dir/head") $(sed -n 's/^x-stoker-prefix-key: \([0-9a-f]*\).*/\1/p' "$dir/head") $(sed -n 's/.*"cached_tokens":\([0-9]*\).*/\1/p' "$dir/out")"
}

for i in 1 2 3 4 5 6 7 8 9; do turn $i 1; done >"$dir/first"
for i in 1 2 3 4 5 6 7 8 9; do turn $i 2; done >"$dir/second"
[ "$(cut -d' ' -f1,2 "$dir/first")" = "$(cut -d' ' -f1,2 "$dir/second")" ] && pass || fail "conversations" "do not stay where they were: $(paste "$dir/first" "$dir/second")"
[ "$(cut -d' ' -f2 "$dir/first" | sort -u | wc -l)" -eq 9 ] && pass || fail "keys" "do not tell conversations apart"
[ "$(cut -d' ' -f1 "$dir/first" | sort -u | wc -l)" -ge 2 ] && pass || fail "conversations" "are all on one server"
awk '$3 < 60 { bad = 1 } END { exit bad || NR != 9 }' "$dir/second" && pass || fail "second turns" "find no prefix: $(cat "$dir/second")"

# One server is killed: its conversations continue on others, the others stay.
dead=$(head -n 1 "$dir/first" | cut -d' ' -f1)
eval "kill -9 \$pid_$dead"
for i in 1 2 3 4 5 6 7 8 9; do turn $i 2; done >"$dir/third"
paste -d' ' "$dir/first" "$dir/third" | awk -v dead="$dead" '
    $4 !~ /^[abc]$/ || $4 == dead || ($1 != dead && $1 != $4) { bad = 1 }
    END { exit bad || NR != 9 }' && pass || fail "a dead server" "moves others, or answers: $(paste "$dir/first" "$dir/third")"
done_testing
