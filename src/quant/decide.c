/* The type of every tensor, from names and shapes alone (quantize.md 3). */
#include "quant/inside.h"

#include "quant/encode.h"
#include "quant/protect.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

static int base_type(const struct quant_options *o, int *type, struct error *err)
{
    if (!o->type)
        return error_set(err, ERR_INPUT, "--type NAME is needed: f32, f16, bf16, q8_0 or keep");
    *type = strcasecmp(o->type, "keep") == 0 ? QUANT_KEEP : type_by_name(o->type);
    if (*type == QUANT_KEEP || (*type >= 0 && *type < TYPE_COUNT && quant_can_encode((enum block_type) * type)))
        return 0;
    if (*type >= 0)
        return error_set(err, ERR_INPUT, "--type %s: this type is not written yet; f32, f16, bf16, q8_0 and keep are",
                         o->type);
    return error_set(err, ERR_INPUT, "--type %s: no type of this name; f32, f16, bf16, q8_0 or keep", o->type);
}

/* A source of blocks loses twice; asked for by name alone. */
static int check_source(const struct quant_job *j, uint64_t t, struct error *err)
{
    const struct gguf_tensor *from = &j->in->tensor[t];
    enum block_type to = j->tensor[t].type;
    if (j->options->requantize || to == from->type || to == TYPE_F32 || type_info(from->type)->block == 1)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s: %s is quantised already (%s): %s out of it has the errors of both; better from the original "
                     "file, or --requantize",
                     j->options->in, from->name, type_info(from->type)->name, type_info(to)->name);
}

int quant_decide(struct quant_job *j, struct error *err)
{
    int base = QUANT_KEEP;
    if (base_type(j->options, &base, err))
        return -1;
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        const struct gguf_tensor *from = &j->in->tensor[t];
        struct quant_tensor *to = &j->tensor[t];
        const char *kept = protect_reason(from);
        *to = (struct quant_tensor){.type = kept || base == QUANT_KEEP ? from->type : (enum block_type)base,
                                    .why = kept ? QUANT_PROTECTED : QUANT_BASE,
                                    .reason = kept};
        if (from->ne[0] % (uint64_t)type_info(to->type)->block != 0)
            return error_set(err, ERR_INPUT, "%s: %s has rows of %" PRIu64 ", no multiple of the %d of a block of %s",
                             j->options->in, from->name, from->ne[0], type_info(to->type)->block,
                             type_info(to->type)->name);
        if (check_source(j, t, err))
            return -1;
    }
    return 0;
}
