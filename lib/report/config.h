/* SPDX-License-Identifier: MIT */
/*
 * config.h - the options that all reports share, with pprof's names, meanings and defaults
 * (google/pprof internal/driver/config.go).
 */
#ifndef PROFD_REPORT_CONFIG_H
#define PROFD_REPORT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define REPORT_NODE_COUNT_DEFAULT UINT32_MAX /* what the kind of report asks for */

/* Texts are borrowed; NULL is as good as "". */
struct report_config {
	/* What a node is: one of these, or none for the report's own default. */
	bool functions, file_functions, files, lines, addresses;
	bool no_inlines;   /* inlined calls count for the function that they were inlined into */
	bool show_columns; /* lines with their columns */
	bool flat, cum;	   /* what to sort by: one of these, or none for flat */
	bool call_tree;	   /* graphs only: a function reached on two ways is two nodes */
	bool drop_negative;
	bool relative_percentages; /* of what is left after the filters */
	bool compact_labels;
	bool mean;    /* values divided by the first value of the sample, the count */
	bool no_trim; /* no node_count, node_fraction, edge_fraction */
	bool intel_syntax;
	uint32_t node_count; /* 0: all */
	double node_fraction, edge_fraction;
	double divide_by;
	const char *unit; /* "minimum", "auto", or a name such as "ms" */
	const char *focus, *ignore, *hide, *show, *show_from, *prune_from;
	const char *tag_focus, *tag_ignore, *tag_show, *tag_hide;
	const char *temporary; /* NULL: all; "": what was freed soon; "5ms": within that time */
	const char *tag_root, *tag_leaf; /* keys, separated by commas */
	const char *source_path, *trim_path;
	bool debuginfod; /* ask its servers for sources that are not found */
	/* Of the terminal that the report goes to (report/look.h). */
	bool colours;
	unsigned width; /* columns that rows are to fit; 0: as long as they are */
};

#define REPORT_CONFIG_DEFAULTS                           \
	((struct report_config){                         \
		.node_count = REPORT_NODE_COUNT_DEFAULT, \
		.node_fraction = 0.005,                  \
		.edge_fraction = 0.001,                  \
		.divide_by = 1,                          \
		.unit = "minimum",                       \
	})

#endif
