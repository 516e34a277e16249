"""Which address is which page, and where the page is made.

A page's module is loaded when the first of its addresses is asked for: processes that only run tasks have the addresses
for the links to them, and none of the pages.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from flask import Blueprint


class Route(NamedTuple):
    """One address.

    :param endpoint: its name, without ``stask.``.
    :param view: module of this package and function, e.g. ``"task:cancel"``.
    """

    method: str
    rule: str
    endpoint: str
    view: str


ROUTES = (
    Route("GET", "/", "dashboard", "dashboard:dashboard"),
    Route("GET", "/workers", "workers", "workers:workers"),
    Route("POST", "/workers/<identifier>/activate", "activate", "workers:activate"),
    Route("POST", "/workers/<identifier>/deactivate", "deactivate", "workers:deactivate"),
    Route("POST", "/workers/discover", "discover", "workers:discover"),
    Route("POST", "/workers/rescan", "rescan", "workers:rescan"),
    Route("GET", "/workers/clean-orphaned", "orphaned", "workers:orphaned"),
    Route("POST", "/workers/clean-orphaned", "clean_orphaned", "workers:clean_orphaned"),
    Route("GET", "/workers/<identifier>", "worker", "worker_page:worker"),
    Route("GET", "/workers/<identifier>/settings", "worker_settings", "worker_settings:settings"),
    Route("POST", "/workers/<identifier>/settings", "save_settings", "worker_settings:save"),
    Route("GET", "/workers/<identifier>/about", "worker_about", "worker_about:about"),
    Route("GET", "/workers/<identifier>/run/<action>", "run", "launch:run"),
    Route("POST", "/workers/<identifier>/run/<action>", "launch", "launch:launch"),
    Route("POST", "/workers/<identifier>/uploads", "uploads", "uploads:begin"),
    Route("PUT", "/uploads/<token>/<int:number>", "upload_chunk", "uploads:chunk"),
    Route("POST", "/uploads/<token>/finish", "upload_finish", "uploads:finish"),
    Route("GET", "/tasks", "tasks", "tasks:tasks"),
    Route("GET", "/tasks/export", "export", "export:export"),
    Route("GET", "/tasks/bulk", "bulk", "bulk:ask"),
    Route("POST", "/tasks/bulk", "bulk_act", "bulk:act"),
    Route("GET", "/tasks/<int:task_id>", "task", "task:task"),
    Route("POST", "/tasks/<int:task_id>/cancel", "cancel", "task:cancel"),
    Route("POST", "/tasks/<int:task_id>/retry", "retry", "task:retry"),
    Route("POST", "/tasks/<int:task_id>/start", "start_now", "task:start_now"),
    Route("POST", "/tasks/<int:task_id>/priority", "priority", "task:priority"),
    Route("GET", "/schedules", "schedules", "schedules:schedules"),
    Route("GET", "/workers/<identifier>/schedules", "worker_schedules", "schedules:worker_schedules"),
    Route("POST", "/schedules/<int:schedule_id>/enable", "schedule_enable", "schedules:enable"),
    Route("POST", "/schedules/<int:schedule_id>/disable", "schedule_disable", "schedules:disable"),
    Route("POST", "/schedules/<int:schedule_id>/run", "schedule_run", "schedules:run"),
    Route("POST", "/schedules/<int:schedule_id>/delete", "schedule_delete", "schedules:delete"),
    Route("GET", "/schedules/new", "schedule_new", "schedule_edit:new"),
    Route("GET", "/schedules/preview", "schedule_preview", "schedule_edit:preview"),
    Route("POST", "/schedules", "schedule_create", "schedule_edit:create"),
    Route("GET", "/schedules/<int:schedule_id>", "schedule", "schedule_edit:schedule"),
    Route("POST", "/schedules/<int:schedule_id>", "schedule_update", "schedule_edit:update"),
    Route("GET", "/statistics", "statistics", "statistics:statistics"),
    Route("GET", "/workers/<identifier>/statistics", "worker_statistics", "statistics:worker_statistics"),
    Route("GET", "/system", "system", "system:system"),
    Route("POST", "/tasks/process", "process", "upkeep:process"),
    Route("GET", "/tasks/clean", "clean", "upkeep:clean"),
    Route("POST", "/tasks/clean", "clean_act", "upkeep:clean_act"),
    Route("GET", "/tasks/<int:task_id>/progress", "progress", "live:progress"),
    Route("GET", "/tasks/<int:task_id>/log", "log", "live:log"),
    Route("GET", "/live", "live", "live:live"),
    Route("GET", "/tasks/<int:task_id>/result", "result", "downloads:result"),
    Route("GET", "/tasks/<int:task_id>/files/<int:number>", "file", "downloads:file"),
    Route("GET", "/tasks/<int:task_id>/log/download", "log_download", "downloads:log_download"),
    Route("GET", "/tasks/<int:task_id>/files/<int:number>/preview", "preview", "preview:preview"),
    Route("GET", "/tasks/<int:task_id>/files/<int:number>/picture", "picture", "preview:picture"),
    Route("GET", "/health", "health", "health:health"),
)


def register(bp: Blueprint) -> None:
    """Add the routes."""
    for route in ROUTES:
        bp.add_url_rule(route.rule, route.endpoint, _Page(route.view), methods=[route.method])


class _Page:
    """Calls a view, which is loaded at the first call."""

    def __init__(self, place: str) -> None:
        self._module, _, self._name = place.partition(":")

    def __call__(self, **values: Any) -> Any:
        return getattr(import_module(f"{__package__}.{self._module}"), self._name)(**values)
