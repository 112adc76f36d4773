/* What all handlers ask of the service: see service.h. */
#include "server/request/service.h"

#include "server/http/http.h"

#include <string.h>
#include <time.h>

struct stoker *server_engine(struct server *s) { return atomic_load(&s->state) == SERVER_LOADING ? NULL : s->engine; }

int64_t server_now(void) { return (int64_t)time(NULL); }

static int is_name(const char *name, size_t n, const char *ours)
{
    static const char latest[] = ":latest";
    size_t k = strlen(ours);
    if (n < k || memcmp(name, ours, k) != 0)
        return 0;
    return n == k || (n == k + sizeof latest - 1 && memcmp(name + k, latest, sizeof latest - 1) == 0);
}

int server_model_ok(const struct server *s, const char *name, size_t n, int claude, struct refusal *r)
{
    static const char prefix[] = "claude-";
    if (!name || s->opt.any_model || is_name(name, n, s->model_id))
        return 0;
    if (claude && n >= sizeof prefix - 1 && memcmp(name, prefix, sizeof prefix - 1) == 0)
        return 0;
    for (size_t i = 0; i < s->opt.alias.n; i++)
        if (is_name(name, n, s->opt.alias.text[i]))
            return 0;
    return refuse(r, 404, "model_not_found", "model",
                  "model \"%.*s\" not found; this server has \"%s\" (--alias NAME and --any-model give it other names)",
                  (int)(n < 100 ? n : 100), name, s->model_id);
}

void server_count(struct http_exchange *x, size_t n_prompt, size_t n_cached, size_t n_generated, double ttft_seconds,
                  int cancelled)
{
    struct server_counters *c = &x->server->count;
    x->n_prompt = n_prompt;
    x->n_cached = n_cached;
    x->n_generated = n_generated;
    atomic_fetch_add(&c->prompt_tokens, n_prompt);
    atomic_fetch_add(&c->cached_tokens, n_cached);
    atomic_fetch_add(&c->generated_tokens, n_generated);
    atomic_fetch_add(&c->cancelled, cancelled != 0);
    if (ttft_seconds >= 0)
        atomic_store(&c->ttft_seconds, ttft_seconds);
}

void server_count_rejected(struct server *s) { atomic_fetch_add(&s->count.rejected, 1); }
