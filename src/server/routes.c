/* See routes.h. */
#include "server/routes.h"
#include "server/dialect/anthropic.h"
#include "server/dialect/ollama.h"
#include "server/dialect/openai.h"
#include "server/own/own.h"
#include "server/own/page.h"

static const struct route routes[] = {
    {"GET", "/", page_handle, ROUTE_OPEN | ROUTE_EARLY},
    {"GET", "/page/*", page_handle_part, ROUTE_OPEN | ROUTE_EARLY},
    {"GET", "/props", own_props, 0},
    {"GET", "/slots", own_slots, 0},
    {"GET", "/metrics", own_metrics, ROUTE_QUIET},
    {"POST", "/tokenize", own_tokenize, 0},
    {"POST", "/detokenize", own_detokenize, 0},
    {"POST", "/apply-template", own_apply_template, 0},
    {"GET", "/v1/models", own_models, 0},
    {"GET", "/v1/models/*", own_model, 0},
    {"POST", "/v1/chat/completions", openai_chat, 0},
    {"POST", "/v1/completions", openai_completions, 0},
    {"POST", "/activations", openai_activations, 0},
    {"POST", "/v1/responses", openai_responses, 0},
    {"POST", "/v1/messages", anthropic_messages, 0},
    {"POST", "/v1/messages/count_tokens", anthropic_count_tokens, 0},
    {"GET", "/api/version", ollama_version, 0},
    {"GET", "/api/tags", ollama_models, 0},
    {"GET", "/api/ps", ollama_running, 0},
    {"POST", "/api/show", ollama_show, 0},
    {"POST", "/api/chat", ollama_chat, 0},
    {"POST", "/api/generate", ollama_generate, 0},
    {"GET", "/stoker/stats", own_stats, 0},
    {"GET", "/stoker/events", own_events, 0},
    {"GET", "/stoker/plan", own_plan, 0},
    {"GET", "/stoker/model", own_anatomy, 0},
    {"POST", "/stoker/cache/clear", own_cache_clear, 0},
    {"GET", "/control-vectors", own_vectors, 0},
    {"POST", "/control-vectors/load", own_vector_load, 0},
    {"POST", "/control-vectors/unload", own_vector_unload, 0},
    {"POST", "/control-vectors/apply", own_vectors_apply, 0},
    {"POST", "/control-vectors/labels", own_feature_labels, 0},
    {"POST", "/v1/embeddings", own_embeddings, 0},
    {"POST", "/api/embed", own_api_embed, 0},
    {"POST", "/api/embeddings", own_api_embeddings, 0},
    {"POST", "/embedding", own_embedding, 0},
    {"POST", "/embeddings", own_embedding, 0},
    {"POST", "/v1/rerank", own_rerank, 0},
    {"POST", "/v1/reranking", own_rerank, 0},
    {"POST", "/rerank", own_rerank, 0},
    {"POST", "/reranking", own_rerank, 0},
    {"POST", "/api/pull", ollama_pull, 0},
    {"POST", "/api/create", own_not_supported, 0},
    {"POST", "/api/push", own_not_supported, 0},
    {"POST", "/api/copy", own_not_supported, 0},
    {"DELETE", "/api/delete", own_not_supported, 0},
    {"GET", "/health", own_health, ROUTE_OPEN | ROUTE_QUIET | ROUTE_NO_MODEL},
    {"GET", "/v1/library/sources", own_library_sources, ROUTE_NO_MODEL},
    {"POST", "/v1/library/search", own_library_search, ROUTE_NO_MODEL},
    {"GET", "/v1/library/article/*", own_library_article, ROUTE_NO_MODEL},
    {"POST", "/v1/library/ticket", own_library_ticket, ROUTE_NO_MODEL},
    {"GET", "/library/*", own_library_page, ROUTE_OPEN | ROUTE_FRAMED | ROUTE_NO_MODEL},
    {"POST", "/mcp", own_mcp, ROUTE_NO_MODEL},
};

enum { N_ROUTES = sizeof routes / sizeof *routes };
_Static_assert((int)N_ROUTES <= (int)ROUTES_MOST, "counters have a row a route");

const struct route *routes_all(size_t *n)
{
    *n = N_ROUTES;
    return routes;
}

const struct route *routes_without_model(struct route out[ROUTES_MOST], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < N_ROUTES; i++)
        if (routes[i].flags & ROUTE_NO_MODEL)
            out[(*n)++] = routes[i];
    return out;
}
