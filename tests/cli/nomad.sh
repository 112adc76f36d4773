# What Project NOMAD sends, line by line (tests/nomad.c), and the transcript of docs/NOMAD.md, run again: where there is no network, in a
# namespace that has only the loopback.
. tests/cli/harness

touch "$dir/out" "$dir/err"
lonely() { unshare -rn sh -c 'ip link set lo up && exec "$@"' sh "$@"; }
plainly() { "$@"; }
if command -v unshare >/dev/null && command -v ip >/dev/null && lonely true 2>/dev/null; then
    where=lonely
else
    skip "no network" "no network namespace can be made (unshare -rn, ip)"
    where=plainly
fi
export STOKER="$stoker"
$where "${BUILD:-build}/tests/nomad" tests/data/nomad-calls.jsonl "$data/embeddings/nomic-bert.gguf" >"$dir/out" 2>"$dir/err" && pass ||
    fail "the calls" "are not answered as they should be: $(grep -v '^ok' "$dir/out" | head -n 5)"

# Command N of the document as a group whose output goes to got.N; what the document shows of it is want.N.
as_script() {
    awk -v to="$dir" '
        /^```/ { is_shown = /^```console/; next }
        !is_shown { next }
        /^\$ / { if (n) print "} >got." n " 2>&1"; printf "" >(to "/want." ++n); print "{"; print substr($0, 3); next }
        { print >(to "/want." n) }
        END { print "} >got." n " 2>&1" }' "$1"
}
if [ "$where" = plainly ]; then
    skip "the transcript" "no network namespace can be made, so nothing would be without a network"
elif ! command -v curl >/dev/null || ! ls /usr/lib*/*/libxml2.so.[0-9]* /usr/lib*/libxml2.so.[0-9]* 2>/dev/null | grep -q .; then
    skip "the transcript" "curl or libxml2 is not installed"
else
    as_script docs/NOMAD.md >"$dir/page.sh"
    cp "$data/library/zim/plain.zim" "$dir"
    cp "$data/embeddings/nomic-bert.gguf" "$dir/nomic-embed-text-v1.5.gguf"
    mkdir "$dir/bin"
    ln -s "$stoker" "$dir/bin/stoker"
    n=$(grep -c '^\$ ' docs/NOMAD.md)
    (cd "$dir" && unset XDG_DATA_HOME && HOME=$dir PATH=$dir/bin:$PATH lonely timeout $((4 * limit)) sh page.sh)
    [ "$n" -gt 15 ] && [ -e "$dir/want.$n" ] && pass || fail "the transcript" "has $n commands"
    for i in $(seq "$n"); do
        sed -i "/ASan doesn't fully support makecontext/d" "$dir/got.$i"
        cmp -s "$dir/want.$i" "$dir/got.$i" && pass || fail "command $i of the transcript" "gives $(head -c 600 "$dir/got.$i")"
    done
fi
done_testing
