/* SPDX-License-Identifier: MIT */
/*
 * sideband_record.h - one record of perf's side-band, as linux/perf_event.h describes it, for
 * events with sample_id_all and SIDEBAND_SAMPLE_TYPE.
 */
#ifndef PROFD_COLLECTOR_SIDEBAND_RECORD_H
#define PROFD_COLLECTOR_SIDEBAND_RECORD_H

#include "collector/record.h"

#define SIDEBAND_SAMPLE_TYPE (PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU)

/* `data` is a copy of a whole record of `size` bytes (at least a header), aligned to 8; it is
 * changed. 1: *out is filled in, its string lies in `data`; 0: nobody wants it; -EBADMSG: it
 * contradicts itself. */
int sideband_parse(char *data, size_t size, struct record *out);

#endif
