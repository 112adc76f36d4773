# make install and make uninstall: a tree that works in place, and is removed completely; the unit of systemd.
. tests/cli/harness

touch "$dir/out" "$dir/err"
made() { env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory "$@" BUILD="$(dirname "$stoker")" PREFIX=/opt/s DESTDIR="$dir/root" >"$dir/out" 2>"$dir/err"; }

made install && pass || fail "make install" "fails"
stoker=$dir/root/opt/s/bin/stoker
run run -p 'What is 9 + 4?' --temp 0
is "the installed program with the installed model" 0 "=9 + 4 = 13." ""
[ -s "$dir/root/opt/s/share/man/man1/stoker.1" ] && pass || fail "make install" "leaves out the manual"
for s in bash:bash-completion/completions/stoker zsh:zsh/site-functions/_stoker fish:fish/vendor_completions.d/stoker.fish; do
    "$stoker" completion ${s%%:*} | cmp -s - "$dir/root/opt/s/share/${s#*:}" && pass || fail "completion of ${s%%:*}" "is not what the program prints"
done

# The unit: every flag it uses is one of serve; systemd finds no fault in it.
unit=$dir/root/opt/s/lib/systemd/system/stoker.service
"$stoker" serve --help >"$dir/help"
for flag in $(sed -n 's/^ExecStart=//p' "$unit" | tr ' ' '\n' | grep '^--'); do
    grep -q "^  $flag " "$dir/help" && pass || fail "the unit" "uses $flag, which serve does not know"
done
grep -q "^ExecStart=/opt/s/bin/stoker serve " "$unit" && pass || fail "the unit" "starts another program"
if command -v systemd-analyze >/dev/null; then
    sed "s,/opt/s/bin,$dir/root&," "$unit" >"$dir/stoker.service"
    systemd-analyze verify --man=no "$dir/stoker.service" >"$dir/out" 2>&1 && ! grep -q stoker.service "$dir/out" && pass ||
        fail "the unit" "systemd-analyze finds fault with it"
else
    skip "systemd-analyze verify" "it is not installed"
fi

# Programs of MCP servers are denied what the service is: the manual's drop-in gives back what they need, by flags of serve.
for denied in MemoryDenyWriteExecute RestrictAddressFamilies; do
    grep -q "^$denied=" "$unit" && grep -q "^$denied=" packaging/stoker.1 && pass || fail "the drop-in" "says nothing of $denied"
done
for flag in $(sed -n 's/^Environment="STOKER_FLAGS=\(.*\)"$/\1/p' packaging/stoker.1 | tr ' ' '\n' | grep '^--'); do
    grep -q "^  $flag " "$dir/help" && pass || fail "the drop-in" "uses $flag, which serve does not know"
done

# Its key: one that serve takes, made once, which nobody else may read.
sh packaging/key.sh "$dir/etc" && key=$(cat "$dir/etc/api-key") && [ "${#key}" -eq 32 ] && [ "$(stat -c %a "$dir/etc/api-key")" = 600 ] &&
    sh packaging/key.sh "$dir/etc" && [ "$(cat "$dir/etc/api-key")" = "$key" ] && pass || fail "the key" "is not made once, for its owner"
"$stoker" serve --port 0 --api-key-file "$dir/etc/api-key" >"$dir/out" 2>"$dir/err" &
server=$!
for _ in $(seq 600); do grep -q '^listening on ' "$dir/out" && break || sleep 0.1; done
kill "$server" && wait "$server" && pass || fail "the key" "serve does not take it: $(tail -n 1 "$dir/err")"

made uninstall && [ -z "$(find "$dir/root" -type f)" ] && pass || fail "make uninstall" "leaves $(find "$dir/root" -type f)"
done_testing
