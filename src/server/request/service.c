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

/* ---- models ----------------------------------------------------------------------------------------------------------------- */

int server_all(struct server *s, struct served out[SERVED_MOST])
{
    int n = 1;
    out[0] = (struct served){.engine = s->engine,
                             .id = s->model_id,
                             .file = s->model_file,
                             .fingerprint = s->fingerprint,
                             .about = &s->about,
                             .alias = &s->opt.alias,
                             .n_ctx = s->plan.n_ctx};
    for (int i = 0; i < STOKER_ROLES; i++) {
        const struct server_encoder *e = &s->encoder[i];
        struct stoker_encoder encoder = {0};
        if (!*e->id)
            continue;
        struct stoker *engine = s->engine ? stoker_encoder(s->engine, (enum stoker_role)i) : NULL;
        if (engine)
            stoker_encoder_of(engine, &encoder);
        out[n++] = (struct served){.engine = engine,
                                   .id = e->id,
                                   .file = e->file,
                                   .fingerprint = e->fingerprint,
                                   .about = &e->about,
                                   .alias = &s->opt.encoder_alias[i],
                                   .n_ctx = (int)encoder.n_ctx};
    }
    return n;
}

static int is_named(const struct served *m, const char *name, size_t n)
{
    for (size_t i = 0; i < m->alias->n; i++)
        if (is_name(name, n, m->alias->text[i]))
            return 1;
    return is_name(name, n, m->id);
}

static int refuse_name(const struct served *m, const char *name, size_t n, struct refusal *r)
{
    return refuse(r, 404, "model_not_found", "model",
                  "model \"%.*s\" not found; this server has \"%s\" (--alias NAME and --any-model give it other names)",
                  (int)(n < 100 ? n : 100), name, m->id);
}

/* The one that is named, or NULL. */
static const struct served *named(const struct served *all, int n_all, const char *name, size_t n)
{
    for (int i = 0; i < n_all; i++)
        if (is_named(&all[i], name, n))
            return &all[i];
    return NULL;
}

int server_find(struct server *s, const char *name, size_t n, struct served *out, struct refusal *r)
{
    struct served all[SERVED_MOST];
    int n_all = server_all(s, all);
    const struct served *m = name ? named(all, n_all, name, n) : all;
    if (!m && !s->opt.any_model)
        return refuse_name(all, name, n, r);
    *out = m ? *m : all[0];
    return 0;
}

int server_encoder(struct server *s, enum stoker_role role, struct served *out)
{
    struct served all[SERVED_MOST];
    int n_all = server_all(s, all);
    for (int i = 0; i < STOKER_ROLES; i++) {
        const struct stoker *e = stoker_encoder(s->engine, (enum stoker_role)(((int)role + i) % STOKER_ROLES));
        for (int k = 0; e && k < n_all; k++)
            if (all[k].engine == e) {
                *out = all[k];
                return 0;
            }
    }
    return -1;
}

int server_names(struct server *s, const struct served *m, const char *name, size_t n, struct refusal *r)
{
    struct served all[SERVED_MOST];
    int n_all = server_all(s, all);
    if (!name || is_named(m, name, n))
        return 0;
    if (named(all, n_all, name, n))
        return refuse(r, 400, "unsupported", "model", "model \"%.*s\" does not do this; \"%s\" does",
                      (int)(n < 100 ? n : 100), name, m->id);
    return s->opt.any_model ? 0 : refuse_name(m, name, n, r);
}

int server_model_ok(struct server *s, const char *name, size_t n, int claude, struct refusal *r)
{
    static const char prefix[] = "claude-";
    struct served all[SERVED_MOST];
    if (!name || (claude && n >= sizeof prefix - 1 && memcmp(name, prefix, sizeof prefix - 1) == 0))
        return 0;
    server_all(s, all);
    return server_names(s, all, name, n, r);
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
