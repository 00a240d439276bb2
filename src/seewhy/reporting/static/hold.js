// An open document in a frame holds the page's load event back until all is painted: what prints a page
// when it has loaded (chromium --headless --print-to-pdf) prints its pictures. It comes before the
// painter, which waits for what it unpacks.

const hold = document.body.appendChild(Object.assign(document.createElement("iframe"), { hidden: true }));
hold.contentDocument.open();
for (const over of ["painted", "error", "unhandledrejection"]) {
  addEventListener(over, () => {
    hold.contentDocument?.close();
    hold.remove();
  });
}
