/* SPDX-License-Identifier: MIT */
/* assets.h - the files of this folder that pictures carry with them, as they were at build time. */
#ifndef PROFD_REPORT_ASSETS_H
#define PROFD_REPORT_ASSETS_H

extern const char ASSET_FLAME_JS[], ASSET_FLAME_SVG_JS[], ASSET_FLAME_SVG_CSS[];
extern const char ASSET_FLAME_PAGE_JS[], ASSET_FLAME_PAGE_CSS[], ASSET_FLAME_PAGE_HTML[];

#endif
