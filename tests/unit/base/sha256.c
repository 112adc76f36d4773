/* links: base */
/* SHA-256 against the examples of FIPS 180-4, whole and in pieces. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is(const uint8_t *digest, const char *hex)
{
    char text[2 * SHA256_BYTES + 1];
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

static void examples(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t digest[SHA256_BYTES];
        sha256(cases[i].text, strlen(cases[i].text), digest);
        is(digest, cases[i].hex);
    }
}

static void a_million_in_pieces(void **state)
{
    struct sha256 s;
    uint8_t digest[SHA256_BYTES];
    char a[1000];
    (void)state;
    memset(a, 'a', sizeof a);
    sha256_begin(&s);
    for (size_t done = 0, n = 1; done < 1000000; done += n, n = n % 997 + 1) {
        if (n > 1000000 - done)
            n = 1000000 - done;
        sha256_add(&s, a, n);
    }
    sha256_end(&s, digest);
    is(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the block: the padding in one and in two blocks, against the same bytes added one by one. */
static void every_length(void **state)
{
    uint8_t data[200];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n < sizeof data; n++) {
        uint8_t whole[SHA256_BYTES], single[SHA256_BYTES];
        struct sha256 s;
        sha256(data, n, whole);
        sha256_begin(&s);
        for (size_t i = 0; i < n; i++)
            sha256_add(&s, data + i, 1);
        sha256_end(&s, single);
        assert_memory_equal(whole, single, sizeof whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(a_million_in_pieces),
                                       cmocka_unit_test(every_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
