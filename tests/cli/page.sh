# The page that the program carries: made of its sources, small enough, with the right hash, without outside resources.
. tests/cli/harness

build=$(dirname "$STOKER")
header=$build/gen/server/own/page_data.h
page=$dir/page.html
sources=src/server/own/page

"$build/tools/page" $sources/index.html >"$dir/again.h" && cmp -s "$dir/again.h" "$header" && pass || fail "the header" "is not what its sources give"
[ "$(wc -l <"$header")" -gt 100 ] && pass || fail "the header" "is short"

# The bytes of the array are the document with its parts in their places.
awk -v folder=$sources '
    function show(file,    line) {
        while ((getline line < (folder "/" file)) > 0)
            if (line ~ /^@include /)
                show(substr(line, 10))
            else
                print line
        close(folder "/" file)
    }
    BEGIN { show("index.html") }' >"$page"
wanted=$(od -An -v -tu1 "$page" | tr -s ' \n' ',,' | sed 's/^,//')
found=$(sed '1,/page_data\[\]/d; /^}/d' "$header" | tr -d '\n ')
[ "$wanted" = "$found" ] && pass || fail "the document" "differs from its sources"

size=$(wc -c <"$page")
[ "$size" -le 131072 ] && pass || fail "the document" "has $size bytes"

# The hash of the policy is that of what stands between the tags of the only script.
wanted=$(awk '/^<\/script>$/ { on = 0 } on { print } /^<script/ { on = 1; scripts++ } END { exit scripts != 1 }' "$page" >"$dir/script" && {
    printf '\n'
    cat "$dir/script"
} | sha256sum | cut -d' ' -f1)
found=$(sed -n "s/.*script-src 'sha256-\([^']*\)'.*/\1/p" "$header" | base64 -d | od -An -v -tx1 | tr -d ' \n')
[ -n "$found" ] && [ "$wanted" = "$found" ] && pass || fail "the hash of the script" "$found is not $wanted"

# Nothing is fetched from elsewhere: no attribute has an outside address.
grep -qiE "(src|href)[[:space:]]*=[[:space:]]*[\"']?(https?:)?//" "$page" && fail "the document" "refers to another place" || pass
grep -qE "innerHTML|insertAdjacentHTML" $sources/server.js $sources/settings.js $sources/main.js && fail "the sources" "write markup where text would do" || pass

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

done_testing
