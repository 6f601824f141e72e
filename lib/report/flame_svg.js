// SPDX-License-Identifier: MIT
// flame_svg.js - life for the SVG: behind flame.js, in one function of its own.

(() => {
	const XHTML = "http://www.w3.org/1999/xhtml";
	const svg = document.documentElement;
	const number = (name) => Number(svg.getAttribute("data-" + name));
	const geometry = {
		left: number("left"),
		width: number("width"),
		row: number("row"),
		column: number("column"),
		inverted: svg.hasAttribute("data-inverted"),
	};
	const frames = Array.from(svg.querySelectorAll("g.frame"), (g) => {
		const [title, rect, text] = g.children;
		// "name (1,234 samples, 12.34%)", and perhaps a line with more.
		const parts = /^([^]*) \([^()]*\d\.\d\d%\)(?:\n[^]*)?$/.exec(title.textContent);
		return { g, rect, text, title: title.textContent, name: parts[1] };
	});
	const details = document.getElementById("details");
	const matched = document.getElementById("matched");
	const bottom = Number(frames[0].rect.getAttribute("y"));
	const flame = new Flame(
		frames.map((f) => Math.abs(Number(f.rect.getAttribute("y")) - bottom) / geometry.row),
		frames.map((f) => Number(f.g.getAttribute("data-value"))),
		frames.map((f) => f.name),
	);
	let zoom = 0;
	let selected = -1;
	let field = null;

	function draw() {
		frames.forEach(({ g, rect, text, name }, i) => {
			const place = flame.place(i, zoom);
			g.classList.toggle("hidden", !place);
			if (!place) return;
			const x = geometry.left + place.left * geometry.width;
			const width = place.width * geometry.width;
			g.classList.toggle("faded", place.faded);
			rect.setAttribute("x", x.toFixed(2));
			rect.setAttribute("width", width.toFixed(2));
			text.setAttribute("x", (x + 3).toFixed(2));
			text.textContent = flameFit(name, Math.floor((width - 6) / geometry.column));
		});
		document.getElementById("reset").classList.toggle("hidden", !zoom);
	}

	function zoomTo(i) {
		zoom = i;
		draw();
		flameWriteState({ zoom: i }, true);
	}

	function select(i) {
		if (selected >= 0) frames[selected].g.classList.remove("selected");
		selected = i;
		if (i >= 0) frames[i].g.classList.add("selected");
		tell(i);
	}

	function tell(i) {
		details.textContent = i < 0 ? "" : frames[i].title.split("\n").join("   ");
	}

	function search(text) {
		let found = null;
		let wrong = "";
		try {
			if (text) found = flame.search(flameExpression(text));
		} catch {
			wrong = "Not a regular expression";
		}
		frames.forEach(({ g }, i) => g.classList.toggle("match", Boolean(found?.matched[i])));
		matched.textContent = found ? "Matched: " + flamePercent(found.share) : wrong;
		flameWriteState({ search: text }, false);
	}

	function openSearch() {
		if (!field) {
			const room = document.createElementNS(svg.namespaceURI, "foreignObject");
			const button = document.getElementById("search");
			const width = 240;
			room.setAttribute("x", Number(button.getAttribute("x")) - width);
			room.setAttribute("y", 8);
			room.setAttribute("width", width);
			room.setAttribute("height", 28);
			field = document.createElementNS(XHTML, "input");
			field.setAttribute("type", "search");
			field.setAttribute("aria-label", "Search, a regular expression");
			field.setAttribute("placeholder", "regular expression");
			field.addEventListener("input", () => search(field.value));
			room.append(field);
			svg.append(room);
			button.classList.add("hidden");
			field.value = flameReadState().search;
		}
		field.focus();
		field.select();
	}

	function closeSearch() {
		field?.parentNode.remove();
		field = null;
		document.getElementById("search").classList.remove("hidden");
		search("");
	}

	function leave() {
		if (field || matched.textContent) closeSearch();
		else if (zoom) zoomTo(0);
		else select(-1);
	}

	function key(event) {
		const typing = event.target === field;
		const meaning = flameKey(event, geometry.inverted);
		const plain = event.key.length === 1 && !event.ctrlKey && !event.metaKey;
		if (!meaning || (typing && (plain || !["search", "leave"].includes(meaning)))) return;
		event.preventDefault();
		const from = selected >= 0 ? selected : zoom;
		if (meaning === "search") openSearch();
		else if (meaning === "leave") leave();
		else if (meaning === "zoom") zoomTo(from);
		else if (meaning === "out") zoomTo(Math.max(flame.parents[zoom], 0));
		else if (meaning === "home") zoomTo(0);
		else select(flame.neighbour(from, meaning, zoom));
	}

	function frameAt(event) {
		const g = event.target.closest?.("g.frame");
		return g ? frames.findIndex((f) => f.g === g) : -1;
	}

	function restore() {
		const state = flameReadState();
		zoom = state.zoom > 0 && state.zoom < frames.length ? state.zoom : 0;
		draw();
		if (state.search) openSearch();
		if (field) field.value = state.search;
		search(state.search);
	}

	svg.addEventListener("click", (event) => {
		const i = frameAt(event);
		if (i >= 0) zoomTo(i);
		else if (event.target.id === "reset") zoomTo(0);
		else if (event.target.id === "search") openSearch();
	});
	svg.addEventListener("mouseover", (event) => tell(frameAt(event)));
	window.addEventListener("keydown", key);
	window.addEventListener("popstate", restore);
	svg.classList.add("alive");
	restore();
})();
