# The page that the program carries: made of its sources, small enough, with the right hashes, without outside resources; and what it loads
# when it needs it, served as it is.
. tests/cli/harness

build=$(dirname "$STOKER")
header=$build/gen/server/own/page_data.h
page=$dir/page.html
sources=src/server/own/page

parts="third_party/katex/katex.min.js third_party/katex/katex.min.css third_party/highlight.js/highlight.min.js
    $(LC_ALL=C ls $sources/later/*.js $sources/later/*.css third_party/katex/fonts/*.woff2)"
"$build/tools/page" $sources/index.html $parts >"$dir/again.h" && cmp -s "$dir/again.h" "$header" && pass || fail "the header" "is not what its sources give"
[ "$(wc -l <"$header")" -gt 100 ] && pass || fail "the header" "is short"

# The bytes of the array are the document with its parts in their places, of scripts without the lines that are comments.
awk -v folder=$sources '
    function show(file,    line) {
        while ((getline line < (folder "/" file)) > 0)
            if (line ~ /^@include /)
                show(substr(line, 10))
            else if (file !~ /\.js$/ || line !~ /^ *\/\//)
                print line
        close(folder "/" file)
    }
    BEGIN { show("index.html") }' >"$page"
wanted=$(od -An -v -tu1 "$page" | tr -s ' \n' ',,' | sed 's/^,//')
found=$(sed '1,/page_data\[\]/d; /^}/,$d' "$header" | tr -d '\n ')
[ "$wanted" = "$found" ] && pass || fail "the document" "differs from its sources"

size=$(wc -c <"$page")
[ "$size" -le 120000 ] && pass || fail "the document" "has $size bytes"

# The hash of the policy is that of what stands between the tags of the only script.
wanted=$(awk '/^<\/script>$/ { on = 0 } on { print } /^<script/ { on = 1; scripts++ } END { exit scripts != 1 }' "$page" >"$dir/script" && {
    printf '\n'
    cat "$dir/script"
} | sha256sum | cut -d' ' -f1)
hashes=$(sed -n "s/.*script-src \('sha256-[^;]*\);.*/\1/p" "$header" | tr -d "'" | tr ' ' '\n' | sed 's/^sha256-//')
found=$(echo "$hashes" | head -n 1 | base64 -d | od -An -v -tx1 | tr -d ' \n')
[ -n "$found" ] && [ "$wanted" = "$found" ] && pass || fail "the hash of the script" "$found is not $wanted"

# Behind it stand those of the scripts among the parts, in their order, and nothing else.
wanted=$(for part in $parts; do case $part in *.js) sha256sum <"$part" | cut -d' ' -f1 ;; esac; done)
found=$(echo "$hashes" | tail -n +2 | while read -r hash; do
    echo "$hash" | base64 -d | od -An -v -tx1 | tr -d ' \n'
    echo
done)
[ "$wanted" = "$found" ] && pass || fail "the hashes of the parts" "differ from what they are"

# What the page may load, beside its scripts: its own server's, and frames of it alone (articles of the library).
policy=$(awk '/page_policy\[\]/ { on = 1; next } on { print } /;$/ { if (on) exit }' "$header" | tr -d '\n"' | sed "s/script-src [^;]*/script-src X/; s/  */ /g; s/^ //")
[ "$policy" = "default-src 'none'; connect-src 'self'; frame-src 'self'; img-src data:; font-src 'self'; style-src 'unsafe-inline'; script-src X; base-uri 'none'; form-action 'none'; frame-ancestors 'none';" ] && pass || fail "the policy" "is $policy"

# Nothing is fetched from elsewhere: no attribute has an outside address.
grep -qiE "(src|href)[[:space:]]*=[[:space:]]*[\"']?(https?:)?//" "$page" && fail "the document" "refers to another place" || pass
grep -lE "innerHTML|insertAdjacentHTML" $sources/*.js $sources/later/*.js | grep -vE '/(panel|turn_view|later/anatomy)\.js$' | grep -q . && fail "the sources" "write markup where text would do" || pass

# What cannot be a page is refused.
printf 'data-keys="0" <script type="module">\n@include absent.js\n</script>\n' >"$dir/bad.html"
"$build/tools/page" "$dir/bad.html" >/dev/null 2>"$dir/err" && fail "an absent part" "is accepted" || pass
grep -q "absent.js" "$dir/err" && pass || fail "an absent part" "is not named"
{
    printf 'data-keys="0" <script type="module">\n'
    head -c 140000 /dev/zero | tr '\0' '\n'
    printf '</script>\n'
} >"$dir/bad.html"
"$build/tools/page" "$dir/bad.html" >/dev/null 2>"$dir/err" && fail "a document too large" "is accepted" || pass
"$build/tools/page" $sources/index.html third_party/katex/LICENSE >/dev/null 2>"$dir/err" && fail "a part of no known type" "is accepted" || pass
grep -q "LICENSE" "$dir/err" && pass || fail "a part of no known type" "is not named"

# The server hands out the parts, byte for byte, with their types, and nothing else; not with --no-page.
serve_page() {
    : >"$dir/out"
    "$STOKER" serve --port 0 --memory 1G "$@" >"$dir/out" 2>"$dir/log" &
    server=$!
    url=
    for _ in $(seq 200); do
        url=$(sed -n 's/^listening on //p' "$dir/out")
        [ -z "$url" ] || break
        sleep 0.1
    done
}
status() { curl -s -o "$dir/part" -w '%{http_code} %{content_type}' "$url/$1"; }

serve_page
for part in $parts; do
    case $part in *.js) type="text/javascript; charset=utf-8" ;; *.css) type="text/css; charset=utf-8" ;; *) type=font/woff2 ;; esac
    got=$(status "page/$(basename "$part")")
    [ "$got" = "200 $type" ] && cmp -s "$part" "$dir/part" && pass || fail "$part" "is served as $got"
done
for name in page page/ page/index.html page/../health page/katex.min.js/ page/KATEX.MIN.JS page/%2e%2e; do
    got=$(curl -s --path-as-is -o /dev/null -w '%{http_code}' "$url/$name")
    [ "$got" = 404 ] && pass || fail "/$name" "is answered with $got"
done
kill $server
wait $server
serve_page --no-page
got=$(status page/katex.min.js)
[ "${got%% *}" = 404 ] && pass || fail "a part with --no-page" "is answered with $got"
kill $server
wait $server

done_testing
