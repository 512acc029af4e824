"""The custom routes, shared by all processes."""

from meetingtasks.routing import ServiceRoute
from meetingtasks.store.client import connect
from meetingtasks.store.routes import RouteStore

ROUTE = ServiceRoute(service_name="billing-service", queue_name="billing_tasks", task_types=("invoice", "refund"))


def test_a_route_is_kept_replaced_and_removed(broker_url: str) -> None:
    routes = RouteStore(connect(broker_url))
    assert routes.by_type() == {}
    routes.save(ROUTE)
    assert routes.by_type() == {"invoice": ROUTE, "refund": ROUTE}
    shorter = ROUTE.model_copy(update={"task_types": ("invoice",)})
    routes.save(shorter)
    assert routes.by_type() == {"invoice": shorter}
    assert [routes.remove("billing-service"), routes.remove("billing-service")] == [True, False]
    assert routes.by_type() == {}


def test_another_process_sees_a_route_when_it_asks_for_fresh_ones(broker_url: str) -> None:
    one, other = RouteStore(connect(broker_url)), RouteStore(connect(broker_url))
    assert other.by_type() == {}
    one.save(ROUTE)
    assert other.by_type(fresh=True)["refund"] == ROUTE
