"use strict";
// Draws the scenes of the page with 3Dmol.js; where it cannot, the still picture stays.
(function () {
  const scenes = JSON.parse(document.getElementById("scenes").textContent);
  const holder = document.querySelector(".view");
  const stage = holder.querySelector(".stage");
  stage.hidden = false;
  let viewer = null;
  try {
    viewer = $3Dmol.createViewer(stage, { backgroundColor: "white", antialias: true });
  } catch (error) {
    viewer = null;
  }
  if (!viewer) {
    stage.hidden = true;
    return;
  }
  holder.querySelector(".still").hidden = true;

  const point = (p) => ({ x: p[0], y: p[1], z: p[2] });
  const radius = { O: 0.22, P: 0.3, Na: 0.55, Li: 0.4, K: 0.7 };
  const shown = { bonds: true, polyhedra: true, cell: true };

  function draw(scene, keepView) {
    const view = keepView ? viewer.getView() : null;
    viewer.removeAllModels();
    viewer.removeAllShapes();
    const atoms = scene.elements.map((elem, i) => ({
      elem: elem, ...point(scene.positions[i]), serial: i, bonds: [], bondOrder: [],
    }));
    for (const [i, j] of shown.bonds ? scene.bonds : []) {
      atoms[i].bonds.push(j);
      atoms[i].bondOrder.push(1);
      atoms[j].bonds.push(i);
      atoms[j].bondOrder.push(1);
    }
    viewer.addModel().addAtoms(atoms);
    for (const [elem, color] of Object.entries(scene.colors)) {
      const style = { sphere: { radius: radius[elem] || 0.38, color: color } };
      if (shown.bonds) style.stick = { radius: 0.07, color: color };
      viewer.setStyle({ elem: elem }, style);
    }
    for (const hull of shown.polyhedra ? scene.polyhedra : []) {
      // each face twice, once for either side
      const vertices = [], faces = [], normals = [];
      for (const [a, b, c] of hull.faces) {
        for (const corners of [[a, b, c], [a, c, b]]) {
          const [p, q, r] = corners.map((k) => hull.vertices[k]);
          const u = q.map((x, k) => x - p[k]), v = r.map((x, k) => x - p[k]);
          const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
          const size = Math.hypot(...n) || 1;
          for (const corner of [p, q, r]) {
            faces.push(vertices.length);
            vertices.push(point(corner));
            normals.push(point(n.map((x) => x / size)));
          }
        }
      }
      viewer.addCustom({
        vertexArr: vertices, faceArr: faces, normalArr: normals, color: scene.colors[hull.element], opacity: 0.45,
      });
    }
    for (const [a, b] of shown.cell ? scene.edges : []) {
      viewer.addLine({ start: point(a), end: point(b), color: "black" });
    }
    if (view) {
      viewer.setView(view);
    } else {
      viewer.zoomTo();
      viewer.zoom(1.05);
      viewer.rotate(20, "y");
      viewer.rotate(15, "x");
    }
    viewer.render();
  }

  const controls = document.createElement("div");
  controls.className = "controls";
  const choice = document.createElement("select");
  for (const scene of scenes) choice.add(new Option(scene.name));
  choice.addEventListener("change", () => draw(scenes[choice.selectedIndex], false));
  controls.append(choice);
  for (const part of Object.keys(shown)) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = shown[part];
    box.addEventListener("change", () => {
      shown[part] = box.checked;
      draw(scenes[choice.selectedIndex], true);
    });
    label.append(box, " " + part);
    controls.append(label);
  }
  for (const [elem, color] of Object.entries(scenes[0].colors)) {
    const key = document.createElement("span");
    key.textContent = "● " + elem;
    key.style.color = color;
    controls.append(key);
  }
  const hint = document.createElement("span");
  hint.textContent = "drag to rotate, scroll to zoom";
  controls.append(hint);
  holder.append(controls);
  draw(scenes[0], false);
})();
