/* See searching.h. */
#include "server/searching.h"

#include "base/log.h"
#include "library/pages/pages.h"
#include "mcp/mcp.h"
#include "server/listen.h"
#include "server/server.h"
#include "toolbox/library_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which models ---------------------------------------------------------------------------------------------------------- */

struct server_model server_engine_of(const struct server_options *o)
{
    struct server_model m = {o->model, o->engine};
    if (m.path)
        return m;
    m.path = o->engine.embed ? o->engine.embed : o->engine.rerank;
    m.options.use = STOKER_USE_VECTORS;
    *(o->engine.embed ? &m.options.embed : &m.options.rerank) = NULL;
    return m;
}

/* How the server's own model pools, "" if it does not, as its header says. */
static void own_pooling(const struct server_options *o, char out[sizeof((struct stoker_about *)0)->pooling])
{
    struct stoker_about about;
    struct stoker_error err;
    const char *pooling = o->engine.pooling;
    *out = 0;
    if (!pooling && o->model && stoker_about(&about, o->model, &err) == 0)
        pooling = about.pooling;
    if (pooling)
        snprintf(out, sizeof about.pooling, "%s", pooling);
}

int server_makes_vectors(const struct server_options *o)
{
    char own[sizeof((struct stoker_about *)0)->pooling];
    if (o->engine.embed)
        return 1;
    own_pooling(o, own);
    return *own && strcmp(own, "rank") && strcmp(own, "none");
}

static int ranks(const struct server_options *o)
{
    char own[sizeof((struct stoker_about *)0)->pooling];
    if (o->engine.rerank)
        return 1;
    own_pooling(o, own);
    return strcmp(own, "rank") == 0;
}

uint64_t server_library_bytes(const struct server_options *o)
{
    return (o->library_dir ? LIBRARY_TOOLS_MEMORY + PAGES_MEMORY : 0) +
           (o->library_dir && server_makes_vectors(o) ? SEARCH_VECTOR_MEMORY + o->library_ram : 0) +
           (o->library_dir && ranks(o) ? SEARCH_RANK_MEMORY : 0) + (o->mcp ? mcp_bytes(o->mcp) : 0);
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */

int searching_open(struct server *s, struct stoker_error *err)
{
    static const char no_memory[] = "no memory for the library";
    struct error missing = {0}, why = {0};
    if (!s->opt.library_dir)
        return 0;
    if (!(s->library = calloc(1, sizeof *s->library)))
        return server_fail(err, STOKER_ERR_MEMORY, no_memory);
    int failed = library_open_any(s->library, s->opt.library_dir, s->opt.library.text, (int)s->opt.library.n, &missing,
                                  &why);
    if (missing.code != ERR_NONE)
        log_line(LOG_WARN, "%s", missing.text);
    if (!failed && !(s->pages = pages_open(s->library)))
        return server_fail(err, STOKER_ERR_MEMORY, no_memory);
    if (!failed)
        return 0;
    free(s->library);
    s->library = NULL;
    return server_fail(err, why.code == ERR_MEMORY ? STOKER_ERR_MEMORY : STOKER_ERR_IO, "%s", why.text);
}

static void join_encoder(struct server *s, struct encoder *e, struct stoker *engine)
{
    struct error words = {0};
    const char *path = s->opt.engine.embed ? s->opt.engine.embed : s->opt.model;
    if (encoder_begin(e, engine, path, &words) == 0 && library_enter(s->library, NULL, NULL) == 0) {
        int n = encoder_join(e, s->library, s->opt.library_ram, &words);
        library_leave(s->library);
        if (n)
            log_line(LOG_INFO, "the library: %d of %d sources are searched by vectors of %s too", n, s->library->n,
                     e->name);
    }
    if (words.code != ERR_NONE)
        log_line(LOG_WARN, "%s", words.text);
}

static void join_ranker(struct server *s, struct ranker *k, struct stoker *engine)
{
    struct error why = {0};
    const char *path = s->opt.engine.rerank ? s->opt.engine.rerank : s->opt.model;
    if (ranker_join(k, engine, path, s->library, &why))
        log_line(LOG_WARN, "%s", why.text);
    else
        log_line(LOG_INFO, "the library: what searches find is ranked by %s", k->name);
}

void searching_join(struct server *s, struct searching *w)
{
    struct stoker *embed = stoker_encoder(s->engine, STOKER_EMBED), *rerank = stoker_encoder(s->engine, STOKER_RERANK);
    if (s->library && embed)
        join_encoder(s, &w->encoder, embed);
    if (s->library && rerank)
        join_ranker(s, &w->ranker, rerank);
}

void searching_close(struct server *s, struct searching *w)
{
    pages_close(s->pages);
    if (s->library)
        library_close(s->library);
    free(s->library);
    encoder_end(&w->encoder);
}
