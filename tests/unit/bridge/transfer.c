/* links: bridge mcp base */
/* What a request needs of libcurl, by its address: a libcurl without TLS or without proxies (here a table of functions that notes options)
 * is refused only where the address needs them. */
#include "bridge/transfer.h"

#include "bridge/libcurl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    int tls, proxy, protocols; /* what easy_setopt() returns for these options */
    long schemes;              /* of CURL_PROTOCOLS */
    int n_begun;
} fake;

static void *easy_init(void) { return &fake; }
static void easy_cleanup(void *easy) { (void)easy; }

static int easy_setopt(void *easy, int option, ...)
{
    va_list args;
    (void)easy;
    va_start(args, option);
    if (option == CURL_PROTOCOLS)
        fake.schemes = va_arg(args, long);
    va_end(args);
    return option == CURL_SSL_VERSION || option == CURL_CA_FILE ? fake.tls
           : option == CURL_PROXY                               ? fake.proxy
           : option == CURL_PROTOCOLS                           ? fake.protocols
                                                                : 0;
}

static int multi_add(void *multi, void *easy)
{
    (void)multi, (void)easy;
    fake.n_begun++;
    return 0;
}

static int multi_remove(void *multi, void *easy)
{
    (void)multi, (void)easy;
    return 0;
}

static void free_all(struct curl_slist *list) { (void)list; }

/* NULL: it is under way; else why not. */
static const char *begin(const char *url)
{
    struct wire wire = {.curl = {.easy_init = easy_init,
                                 .easy_cleanup = easy_cleanup,
                                 .easy_setopt = easy_setopt,
                                 .slist_free_all = free_all,
                                 .multi_add_handle = multi_add,
                                 .multi_remove_handle = multi_remove},
                        .url = url};
    struct transfer t = {.wire = &wire, .headers = {.curl = &wire.curl}};
    int before = fake.n_begun, failed = transfer_begin(&t);
    assert_int_equal(fake.n_begun - before, failed == 0);
    const char *why = t.why;
    transfer_free(&t);
    assert_int_equal(failed != 0, why != NULL);
    return why;
}

static void everything_is_there(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    assert_null(begin("http://127.0.0.1/mcp"));
    assert_int_equal(fake.schemes, CURL_HTTP);
    assert_null(begin("HTTPS://127.0.0.1/mcp"));
    assert_int_equal(fake.schemes, CURL_HTTPS);
}

static void without_tls(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.tls = CURL_NOT_BUILT_IN;
    setenv("SSL_CERT_FILE", "/none.pem", 1);
    assert_null(begin("http://127.0.0.1/mcp"));
    const char *why = begin("https://127.0.0.1/mcp");
    assert_non_null(why);
    assert_non_null(strstr(why, "no TLS from 1.2"));
    unsetenv("SSL_CERT_FILE");
    assert_non_null(begin("https://127.0.0.1/mcp"));
}

/* It can have none; one that has them and is not to be kept from them is refused. */
static void without_proxies(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    for (int i = 0; i < 2; i++) {
        fake.proxy = i ? CURL_UNKNOWN_OPTION : CURL_NOT_BUILT_IN;
        assert_null(begin("http://127.0.0.1/mcp"));
        assert_null(begin("https://127.0.0.1/mcp"));
    }
    fake.proxy = 27; /* no memory */
    const char *why = begin("http://127.0.0.1/mcp");
    assert_non_null(why);
    assert_non_null(strstr(why, "without a proxy"));
}

static void any_scheme(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.protocols = CURL_UNKNOWN_OPTION;
    assert_non_null(begin("http://127.0.0.1/mcp"));
    assert_non_null(begin("https://127.0.0.1/mcp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_is_there), cmocka_unit_test(without_tls),
                                       cmocka_unit_test(without_proxies), cmocka_unit_test(any_scheme)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
