/* See dialect.h. */
#include "server/dialect/dialect.h"

#include "server/http/json.h"

#include <string.h>

enum dialect dialect_of(const char *path)
{
    static const char anthropic[] = "/v1/messages", ollama[] = "/api/";
    if (strncmp(path, anthropic, sizeof anthropic - 1) == 0)
        return DIALECT_ANTHROPIC;
    return strncmp(path, ollama, sizeof ollama - 1) == 0 ? DIALECT_OLLAMA : DIALECT_OPENAI;
}

void write_error(struct out *o, enum dialect d, const struct refusal *r, const char *request_id)
{
    const char *type = refusal_type(r->status);
    if (d == DIALECT_OLLAMA) {
        out_print(o, "{\"error\":");
        out_text(o, r->text);
    } else if (d == DIALECT_ANTHROPIC) {
        out_print(o, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
                  r->status == 500   ? "api_error"
                  : r->status == 503 ? "overloaded_error"
                                     : type);
        out_text(o, r->text);
        out_print(o, "},\"request_id\":");
        out_text(o, request_id);
    } else {
        out_print(o, "{\"error\":{\"message\":");
        out_text(o, r->text);
        out_print(o, ",\"type\":\"%s\",\"param\":", type);
        out_text(o, *r->param ? r->param : NULL);
        out_print(o, ",\"code\":");
        out_text(o, r->code);
        out_print(o, "}");
    }
    out_print(o, "}");
}
