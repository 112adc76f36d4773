#!/bin/sh
# A Debian package of what make install would install: sh tools/deb.sh BUILD, called by make deb. Needs dpkg-dev.
#
# The libraries are those that the program is linked with (dpkg-shlibdeps). The service is installed and left off: which model it is to
# serve is the administrator's choice. A key is drawn when the package is configured first.
set -eu
build=$1
root=$build/deb
command -v dpkg-shlibdeps >/dev/null || { echo "make deb needs dpkg-shlibdeps; run: apt-get install dpkg-dev" >&2 && exit 1; }

version=$("$build/stoker" version | sed 's/^stoker //')
arch=$(dpkg --print-architecture)
rm -rf "$root"
umask 022
make --no-print-directory install BUILD="$build" PREFIX=/usr DESTDIR="$root"
strip --strip-unneeded "$root/usr/bin/stoker"
# Debian's zsh looks elsewhere.
mkdir "$root/usr/share/zsh/vendor-completions"
mv "$root/usr/share/zsh/site-functions/_stoker" "$root/usr/share/zsh/vendor-completions/_stoker"
rmdir "$root/usr/share/zsh/site-functions"
gzip -9n "$root/usr/share/man/man1/stoker.1"
mkdir -p "$root/DEBIAN"

# dpkg-shlibdeps wants to stand in a source package.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: stoker\n\nPackage: stoker\nArchitecture: any\n' >"$work/debian/control"
program=$(cd "$root/usr/bin" && pwd)/stoker
libraries=$(cd "$work" && dpkg-shlibdeps -O "$program" | sed -n 's/^shlibs:Depends=//p')
[ -n "$libraries" ] || { echo "make deb: dpkg-shlibdeps names no libraries" >&2 && exit 1; }

cat >"$root/DEBIAN/control" <<END
Package: stoker
Version: $version
Architecture: $arch
Maintainer: the stoker authors <stoker@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $libraries
Suggests: libcurl4 | libcurl3-gnutls
Section: misc
Priority: optional
Description: language models that are bigger than memory
 stoker runs mixture-of-experts models from GGUF files on a CPU, under one
 bound on its memory: experts that do not fit are read from disk while it
 computes. A command line, and a server with the interfaces of OpenAI,
 Anthropic and Ollama. A small model is included.
END

{
    printf '#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\nset --\n'
    sed 1d packaging/key.sh
    cat <<'END'
fi
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
END
} >"$root/DEBIAN/postinst"
cat >"$root/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now stoker.service || true
fi
END
cat >"$root/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
if [ "$1" = purge ]; then
    rm -rf /etc/stoker /var/cache/private/stoker /var/cache/stoker
fi
END
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)

deb=$build/stoker_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$root" "$deb" >/dev/null
echo "$deb"
