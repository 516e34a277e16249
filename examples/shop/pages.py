"""The shop's own page: its products."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, redirect, render_template, request, send_file, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from examples.shop.models import Product, db

PAGE = 25

bp = Blueprint("pages", __name__)


@bp.get("/")
@login_required
def products() -> str:
    """The products by name, with a search."""
    words = request.args.get("q", "").strip()
    page = max(request.args.get("page", 1, type=int), 1)
    select = sa.select(Product).order_by(Product.name, Product.id)
    if words:
        pattern = "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        matches = (Product.name.ilike(pattern, escape="\\"), Product.sku.ilike(pattern, escape="\\"))
        select = select.where(sa.or_(*matches))
    rows = db.session.scalars(select.limit(PAGE + 1).offset((page - 1) * PAGE)).all()
    return render_template(
        "shop/products.html",
        products=rows[:PAGE],
        more=len(rows) > PAGE,
        page=page,
        words=words,
        price_list=_price_list(),
    )


@bp.post("/products/<int:product_id>/active")
@login_required
def switch(product_id: int) -> Response:
    """Show or hide one product."""
    if current_user.role == "viewer":
        abort(403)
    product = db.session.get(Product, product_id) or abort(404)
    product.active = not product.active
    db.session.commit()
    back = {name: value for name in ("q", "page") if (value := request.form.get(name))}
    return redirect(url_for("pages.products", **back))


@bp.get("/products.csv")
@login_required
def price_list() -> Response:
    """The film list that the set-up made, to try the import with."""
    path = _price_list() or abort(404)
    return send_file(path, as_attachment=True, mimetype="text/csv")


def _price_list() -> Path | None:
    path = Path(current_app.instance_path) / "products.csv"
    return path if path.is_file() else None
