/* links: server toolbox mcp library engine text model store op machine kernel format base
 *
 * Fuzz target: the HTTP front. The bytes are what a client sends: first to the parser, whole and in pieces, which must agree; then
 * to a connection of a server whose model never loads, so that every request is read, checked and answered, and no handler runs. */
#include "server/dialect/dialect.h"
#include "server/http/inside.h"
#include "server/request/service.h"
#include "server/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The size of a head is the same however its bytes come. */
static void try_head(const uint8_t *data, size_t size)
{
    struct refusal r = {0};
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = 0;
    long whole = http_head_size(text, size, &r);
    assert(whole >= 0 || r.status >= 400);
    assert(whole <= (long)size);
    for (size_t n = size < 64 ? 0 : size - 64; n < size; n++) {
        struct refusal early = {0};
        long part = http_head_size(text, n, &early);
        assert(part <= 0 || part == whole);
        assert(part >= 0 || whole < 0);
    }
    struct http_head h;
    if (whole > 0 && http_head_parse(&h, text, (size_t)whole, &r) == 0) {
        assert(*h.method && *h.path && h.length >= -1 && !(h.chunked && h.length >= 0));
        for (size_t i = 0; i < h.n_field; i++)
            assert(*h.field[i].name && !strpbrk(h.field[i].value, "\r\n") && http_head_field(&h, h.field[i].name));
    }
    free(text);
}

/* Chunks give the same bytes and the same end in one piece, and cut after every step bytes. */
static void try_chunks(const uint8_t *data, size_t size, size_t step)
{
    struct http_chunks one = {.most = UINT64_MAX}, many = one;
    struct refusal r = {0}, r_many = {0};
    char *out = malloc(2 * size + 2), *in = malloc(size + 1);
    size_t n_out = 0, n_many = 0, at = 0;
    long used = http_chunks_read(&one, (const char *)data, size, out, &n_out, &r), part = 0;
    assert(out && in);
    while (at < size && !many.done && part >= 0) {
        size_t n = size - at < step ? size - at : step, k;
        memcpy(in, data + at, n);
        part = http_chunks_read(&many, in, n, in, &k, &r_many);
        assert(part < 0 || part == (long)n || many.done);
        memcpy(out + size + n_many, in, part < 0 ? 0 : k);
        n_many += part < 0 ? 0 : k;
        at += part < 0 ? 0 : (size_t)part;
    }
    assert((used < 0) == (part < 0));
    if (used >= 0)
        assert(n_out == n_many && memcmp(out, out + size, n_out) == 0 && one.done == many.done && (size_t)used == at);
    free(in);
    free(out);
}

static int never_ready(struct server *s, int early, struct refusal *r)
{
    (void)s;
    return early ? 0 : refuse(r, 503, "loading", NULL, "the model is loading");
}

static void error_of_path(struct out *o, const char *path, const struct refusal *r, const char *id)
{
    write_error(o, dialect_of(path), r, id);
}

static void try_connection(const uint8_t *data, size_t size)
{
    static unsigned char key[1][SHA256_BYTES];
    static const char *const texts[] = {"https://app.example"};
    struct server s = {.opt = {.no_page = 1}};
    struct http_app app = {.server = &s,
                           .memory = &s.memory,
                           .host = "127.0.0.1",
                           .loopback = 1,
                           .header_timeout = 1,
                           .body_timeout = 1,
                           .max_body = 4096,
                           .cors = {texts, 1},
                           .key = key,
                           .n_key = data[0] & 1,
                           .ready = never_ready,
                           .write_error = error_of_path};
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
        return;
    reqmem_init(&s.memory, 1 << 20, 1 << 18);
    app.route = routes_all(&app.n_route);
    http_app_open(&app);
    struct http_connection *c = http_open(&app, fd[0]);
    assert(c && write(fd[1], data, size) == (ssize_t)size);
    shutdown(fd[1], SHUT_WR);
    app.first = c;
    app.n_connection = 1;
    http_serve(c);
    assert(app.n_connection == 0 && app.n_running == 0 && app.large == NULL && reqmem_taken(&s.memory) == 0);
    pthread_cond_destroy(&app.changed);
    pthread_mutex_destroy(&app.lock);
    close(fd[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_head(data, size);
    try_chunks(data, size, size ? data[0] % 7 + 1 : 1);
    if (size > 0 && size <= 4096) /* the answers to more would not fit the socket, which nobody reads */
        try_connection(data, size);
    return 0;
}
