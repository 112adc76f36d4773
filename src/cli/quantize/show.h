/* What a job of quantising would do, in words or as JSON: for --dry-run of `stoker quantize`. */
#ifndef CLI_QUANTIZE_SHOW_H
#define CLI_QUANTIZE_SHOW_H

#include "quant/quant.h"

/* To stdout. */
void quantize_show(const struct quant_job *j);
void quantize_show_json(const struct quant_job *j);

/* Layers with experts that saw fewer than `below` rows while importance was collected, in a table; nothing where there are none. */
void quantize_show_experts(const struct quant_job *j, double below);

/* Bits that a weight takes in the output. */
double quantize_bits(const struct quant_job *j);

#endif
