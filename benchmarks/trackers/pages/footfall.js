// The script of this repository, as a page includes it (`data-path` has its default).
window.act = (mark) => tracker.trackAction(mark, "comparison");
