# The manual: every command and every flag that --help shows is in it, nothing that is not; its source has no fault.
. tests/cli/harness

touch "$dir/out" "$dir/err"
manual=packaging/stoker.1
commands=$("$stoker" --help | sed -n '/^commands/,$s/^  \([a-z]*\) .*/\1/p')
for c in $commands; do "$stoker" "$c" --help | sed -nE 's/^  (-[^ ,]+)(, (-[^ ]+))?.*/\1 \3/p'; done | tr -s ' ' '\n' |
    grep . | sort -u >"$dir/flags"
# "Fl -ctx Ar n" is --ctx, "Fl t" is -t.
tr -s ' ' '\n' <$manual | awk 'fl && /^[-a-z]/ { print "-" $0 } { fl = $0 == "Fl" || $0 == ".Fl" }' | sort -u |
    grep -vxE -e '--?flag|-h|--help' >"$dir/manual"

[ "$(wc -l <"$dir/flags")" -gt 50 ] && pass || fail "--help" "shows few flags"
missing=$(comm -23 "$dir/flags" "$dir/manual")
[ -z "$missing" ] && pass || fail "the manual" "does not name $(echo $missing)"
unknown=$(comm -13 "$dir/flags" "$dir/manual")
[ -z "$unknown" ] && pass || fail "the manual" "names what is no flag: $(echo $unknown)"
for c in $commands; do
    grep -q "^\.It Cm $c$" $manual && grep -q "^\.Cm $c$" $manual && pass || fail "the manual" "does not name stoker $c"
done
[ "$(sed -n 's/^\.It Cm \([a-z]*\)$/\1/p' $manual | sort)" = "$(echo "$commands" | sort)" ] && pass || fail "the manual" "names other commands"

if command -v groff >/dev/null && [ -e /usr/share/groff/current/tmac/mdoc.tmac ]; then
    groff -ww -mdoc -Tascii -z $manual 2>"$dir/err"
    [ ! -s "$dir/err" ] && pass || fail "groff -ww" "complains"
else
    skip "groff -ww" "groff with mdoc is not installed"
fi
done_testing
