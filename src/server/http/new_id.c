/* See new_id.h. */
#include "server/http/new_id.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

void server_new_id(char *out, const char *prefix, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static atomic_uint_fast64_t drawn;
    size_t k = strlen(prefix);
    memcpy(out, prefix, k);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte;
        do /* 248 = 4 * 62: every letter equally often */
            if (getrandom(&byte, 1, GRND_NONBLOCK) != 1)
                byte = (unsigned char)((atomic_fetch_add(&drawn, 1) + clock_ns()) % 248);
        while (byte >= 248);
        out[k + i] = letters[byte % 62];
    }
    out[k + n] = 0;
}
