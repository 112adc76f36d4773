# The manual: every command and every flag that --help shows is in it, said of that command, and nothing that is not; its source has no fault.
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
# Each flag where it is said of this command: in its own item or section, in a section whose first words name it, or in an item of a flag
# that does. What is said of all commands is in Settings.
cat >"$dir/described.awk" <<'END'
function take_item(    c, i) {
    for (c in known)
        for (i = 1; (all || section[c] || item[c]) && i <= n_flag; i++)
            print c, flag[i]
    n_flag = 0
    split("", item)
}
BEGIN {
    n = split(commands, word, " ")
    for (i = 1; i <= n; i++)
        known[word[i]]
}
/^\.S[hs] / {
    take_item()
    split("", section)
    section[tolower($2)] = 1
    all = $2 == "Settings"
    in_item = 0
}
/^\.(It|El)/ {
    take_item()
    begun = 1
    in_item = $1 == ".It"
}
/^\.Ss / { begun = 0 }
/^\./ {
    is_command = 0
    for (i = 1; i <= NF; i++) {
        if ($i ~ /^\.?[A-Z][a-z]$/)
            is_command = $i ~ /Cm$/
        else if (is_command && $i in known && in_item)
            item[$i] = 1
        else if (is_command && $i in known && !begun)
            section[$i] = 1
        if ($i ~ /^\.?Fl$/ && in_item)
            flag[++n_flag] = "-" $(i + 1)
    }
}
END
for c in $commands; do
    "$stoker" "$c" --help | sed -nE 's/^  (-[^ ,]+)(, (-[^ ]+))?.*/\1 \3/p' | tr -s ' ' '\n' | grep . | sed "s/^/$c /"
done | sort -u >"$dir/flags_of"
awk -v commands="$(echo $commands)" -f "$dir/described.awk" $manual | sort -u >"$dir/described"
for c in $commands; do
    missing=$(comm -23 "$dir/flags_of" "$dir/described" | sed -n "s/^$c //p")
    [ -z "$missing" ] && pass || fail "the manual" "does not say of stoker $c what $(echo $missing) does"
done
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
