/* What the files of quant/ make of a job, in the order in which quant_open() calls them. */
#ifndef QUANT_INSIDE_H
#define QUANT_INSIDE_H

#include "quant/quant.h"

#include "base/error.h"

/* decide.c: the type of every tensor, from names and shapes. */
int quant_decide(struct quant_job *j, struct error *err);
/* protect.c: why this tensor keeps its type whatever is asked for (quantize.md 3.2), in words; static. NULL: it may be quantised. */
const char *protect_reason(const struct gguf_tensor *t);
/* weigh.c: the importance of every tensor, once their types are known; what lacks it is told. */
int quant_weigh(struct quant_job *j, struct error *err);
/* ERR_INPUT: which tensors have types that demand importance, where there is none, and what helps. */
int quant_refuse_needs(const struct quant_job *j, struct error *err);
/* 1: there is importance, or it is to be taken as given. */
int quant_has_importance(const struct quant_job *j);
/* 1: tensor t is of a layer that predicts further tokens, of which imatrix collects nothing. */
int quant_is_draft(const struct quant_job *j, uint64_t t);
/* provenance.c: the keys of the output. */
int quant_keys(struct quant_job *j, struct error *err);
/* layout.c: parts, offsets, sizes, names. */
int quant_layout(struct quant_job *j, struct error *err);
/* The header of part i: counted where p is NULL. */
uint64_t quant_header(const struct quant_job *j, int i, uint8_t *p);
/* plan.c */
int quant_plan(struct quant_job *j, struct error *err);
/* 1: tensor t keeps its type, so that its bytes are copied. */
int quant_is_copied(const struct quant_job *j, uint64_t t);
/* layout.c: what is done of tensor t at a time, rows, or bytes where they are copied: how many, and bytes of one in the output. */
uint64_t quant_units(const struct quant_job *j, uint64_t t);
uint64_t quant_out_unit(const struct quant_job *j, uint64_t t);

#endif
