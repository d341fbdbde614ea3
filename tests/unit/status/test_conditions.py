"""Each condition says what holds, and where it does not, what to do."""

from tests.unit.status.seen import (
    NOW,
    STEADY,
    child,
    failed,
    outlook,
    passed,
    pod,
    snapshot,
    verdicts,
    without,
    workload,
)

from hcs_operator.api.observed import Child, Gate, Outlook, Reason, Scaling
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.outcome import DatabasePlan


def test_a_stack_of_one_member_that_works_is_ready_and_says_what_it_may_lose() -> None:
    found = verdicts()
    good = (
        "Ready",
        "WritesAvailable",
        "ReadsAvailable",
        "AsyncAvailable",
        "ReplicationHealthy",
        "CacheHealthy",
        "QueueHealthy",
        "AutoscalingActive",
    )
    assert {name: found[name].status for name in good} == dict.fromkeys(good, "True")
    assert {name: found[name].status for name in ("Reconciling", "Stalled", "Paused")} == dict.fromkeys(
        ("Reconciling", "Stalled", "Paused"), "False"
    )
    assert (found["DurabilitySatisfied"].status, found["DurabilitySatisfied"].reason) == ("False", "SingleMember")
    assert "SingleQueueNode" in found["DurabilitySatisfied"].message


def test_one_queue_node_is_told_even_when_the_database_has_members_enough() -> None:
    found = verdicts(outlook(database=DatabasePlan(readers_ready=1, status={"bootstrapped": True})))
    assert found["DurabilitySatisfied"].reason == "SingleQueueNode"


def test_writes_that_fail_lower_ready_with_their_own_words() -> None:
    tests = {**snapshot().selftests, "write-api": (failed("write-api"),)}
    found = verdicts(outlook(snapshot(selftests=tests)))
    assert (found["WritesAvailable"].status, found["WritesAvailable"].reason) == ("False", "NoPrimary")
    assert (found["Ready"].status, found["Ready"].reason) == ("False", "NoPrimary")
    assert "no primary answers" in found["Ready"].message


def test_one_pod_that_works_is_enough_and_the_other_is_named() -> None:
    tests = {**snapshot().selftests, "read-api": (failed("read-api", message="it lags"), passed("read-api"))}
    found = verdicts(outlook(snapshot(selftests=tests)))
    assert found["ReadsAvailable"].holds
    assert "it lags" in found["ReadsAvailable"].message


def test_a_tier_that_is_not_started_says_what_it_waits_for() -> None:
    live = {key: value for key, value in snapshot().live.items() if key != child("write-api")}
    gate = Gate(frozenset(), {"SERVICES": Reason("WaitingForMigration", "the migration runs")})
    found = verdicts(outlook(snapshot(live=live, pods=without("write-api"), selftests={}), gate=gate))
    assert found["WritesAvailable"].reason == "WaitingForMigration"
    assert found["WritesAvailable"].status == "Unknown"
    assert found["Reconciling"].message == "Starting: the migration runs."


def test_what_is_on_its_way_up_is_unknown_and_what_went_down_is_false() -> None:
    starting = snapshot(pods=(), selftests={}, queue=None, cache=None)
    names = ("WritesAvailable", "ReadsAvailable", "AsyncAvailable", "CacheHealthy", "QueueHealthy")
    assert {verdicts(outlook(starting))[name].status for name in names} == {"Unknown"}
    held = {"conditions": [{"type": name, "status": "True"} for name in names]}
    assert {verdicts(outlook(starting, previous=held))[name].status for name in names} == {"False"}


def test_a_start_is_never_ready() -> None:
    assert verdicts(outlook(snapshot(live={}, pods=(), selftests={})))["Ready"].status == "False"


def test_writes_that_fail_for_want_of_a_primary_say_why_there_is_none() -> None:
    tests = {**snapshot().selftests, "write-api": (failed("write-api", "NoAnswer", "it does not answer"),)}
    plan = DatabasePlan(waiting=Reason("MemberDown", "the only member does not run"), status={"bootstrapped": True})
    found = verdicts(outlook(snapshot(selftests=tests), database=plan))["WritesAvailable"]
    assert found.reason == "MemberDown"
    assert "the only member does not run" in found.message


def test_before_its_group_is_founded_nothing_is_said_of_durability() -> None:
    assert verdicts(outlook(database=DatabasePlan()))["DurabilitySatisfied"].status == "Unknown"


def test_without_a_ready_gateway_nothing_is_ready() -> None:
    found = verdicts(outlook(snapshot(pods=without("gateway"))))
    assert (found["Ready"].status, found["Ready"].reason) == ("False", "NoReadyGateway")


def test_a_wrong_image_stalls_while_the_old_pods_serve() -> None:
    problem = Reason(
        "ImagePullBackOff", 'container write-api of pod p is in ImagePullBackOff: Back-off pulling "no/such:0"'
    )
    pods = (*snapshot().pods, pod("write-api", problem, ready=False, image="no/such:0", name="new"))
    found = verdicts(outlook(snapshot(pods=pods)), {"writeApi": {"image": "no/such:0"}})
    assert found["Ready"].holds
    assert found["Stalled"].holds
    assert all(word in found["Stalled"].message for word in ("write-api", "no/such:0", "spec.writeApi.image"))


def test_a_wrong_image_of_all_services_names_the_common_field() -> None:
    pods = (*without("gateway"), pod("gateway", Reason("ErrImagePull", "container gateway ..."), ready=False))
    assert "spec.images.services" in verdicts(outlook(snapshot(pods=pods)))["Stalled"].message


def test_a_wrong_image_of_the_agent_names_the_agents_field() -> None:
    pods = (*without("db"), pod("db", Reason("ErrImagePull", "container agent of pod x ..."), ready=False))
    assert "spec.images.agent" in verdicts(outlook(snapshot(pods=pods)))["Stalled"].message


def test_a_pod_may_be_without_a_node_for_a_moment_but_not_for_long() -> None:
    problem = Reason("Unschedulable", "pod p has no node: Insufficient memory")
    young = (*without("cache"), pod("cache", problem, ready=False, created_at=NOW - 2))
    old = (*without("cache"), pod("cache", problem, ready=False))
    assert not verdicts(outlook(snapshot(pods=young)))["Stalled"].holds
    assert "spec.cache.resources" in verdicts(outlook(snapshot(pods=old)))["Stalled"].message


def test_without_what_counts_limits_for_all_the_stack_is_ready_and_says_what_is_missing() -> None:
    spec = {"gateway": {"rateLimit": {"scope": "global"}}}
    found = verdicts(outlook(snapshot()), spec)
    assert found["Ready"].holds
    assert "limits 0/0: Missing" in found["Reconciling"].message
    image = (*snapshot().pods, pod("limits", Reason("ErrImagePull", "container redis ..."), ready=False))
    assert "spec.images.redis" in verdicts(outlook(snapshot(pods=image)), spec)["Stalled"].message
    homeless = (*snapshot().pods, pod("limits", Reason("Unschedulable", "pod p has no node"), ready=False))
    told = verdicts(outlook(snapshot(pods=homeless)), spec)["Stalled"].message
    assert "make room, or change spec.template" in told
    assert "resources" not in told


QUOTA = 'pods "shop-gateway-1" is forbidden: exceeded quota: small'


def test_a_deployment_whose_pods_are_refused_says_by_whom_once_it_lasts() -> None:
    def look(since: str) -> Outlook:
        refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
        gateway = workload(2)
        gateway["status"]["conditions"] = [{**refused, "lastTransitionTime": since}]
        return outlook(snapshot(live={**snapshot().live, child("gateway"): gateway}, pods=without("gateway")))

    found = verdicts(look(stamp(NOW - 60)))["Stalled"]
    assert (found.status, found.reason) == ("True", "FailedCreate")
    assert found.message.startswith("gateway cannot make its pods: ")
    assert "exceeded quota: small" in found.message
    assert not verdicts(look(stamp(NOW - 5)))["Stalled"].holds


def test_a_deployment_that_runs_and_never_gets_ready_is_named() -> None:
    overdue = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    slow = workload(2)
    slow["status"]["conditions"] = [overdue]
    live = {**snapshot().live, child("write-api"): slow}
    found = verdicts(outlook(snapshot(live=live)))["Stalled"]
    assert found.reason == "ProgressDeadlineExceeded"
    assert "deployment/shop-write-api" in found.message
    ready = (*without("write-api"), pod("write-api"), pod("write-api", name="b"))
    assert not verdicts(outlook(snapshot(live=live, pods=ready)))["Stalled"].holds


def test_statefulsets_and_jobs_without_pods_say_what_their_last_event_says() -> None:
    for kind, name, component in (("StatefulSet", "shop-db-0", "db"), ("Job", "shop-migrate-1", "migrate")):
        unmade = {Child(kind, name): Reason("FailedCreate", QUOTA)}
        found = verdicts(outlook(snapshot(unmade=unmade)))["Stalled"]
        assert found.reason == "FailedCreate"
        assert found.message.startswith(f"{component} cannot make its pods: ")


def test_a_pod_whose_volume_cannot_be_mounted_sends_nobody_to_its_log() -> None:
    problem = Reason("FailedMount", 'pod p waits to be started: secret "x" not found')
    look = outlook(snapshot(pods=(*without("cache"), pod("cache", problem, ready=False, ip=""))))
    found = verdicts(look)["Stalled"]
    assert found.message == 'cache cannot be started: pod p waits to be started: secret "x" not found.'


def test_a_missing_secret_is_named_with_its_keys_and_its_field() -> None:
    spec = {"workers": {"handlers": {"email": {"url": "smtp://mail", "secretRef": {"name": "mail"}}}}}
    found = verdicts(spec=spec)["Stalled"]
    assert (found.status, found.reason) == ("True", "SecretMissing")
    assert all(
        word in found.message for word in ("mail", "username", "password", "spec.workers.handlers.email.secretRef")
    )


def test_a_secret_without_one_of_its_keys_names_that_key() -> None:
    spec = {"workers": {"handlers": {"payment": {"url": "http://pay", "secretRef": {"name": "pay"}}}}}
    found = verdicts(outlook(snapshot(secrets={"pay": {"other": "x"}})), spec)["Stalled"]
    assert "lacks the key token" in found.message


def test_a_database_password_that_mysql_would_refuse_is_named_and_not_shown() -> None:
    from hcs_operator.api.references import DATABASE_KEYS

    values = dict.fromkeys(DATABASE_KEYS, "short") | {"repl-password": "x" * 33}
    found = verdicts(outlook(snapshot(secrets={"mine": values})), {"database": {"credentialsSecret": {"name": "mine"}}})
    assert found["Stalled"].reason == "PasswordTooLong"
    assert "repl-password" in found["Stalled"].message
    assert "x" * 33 not in found["Stalled"].message


def test_a_migration_that_gave_up_says_why_and_when_it_is_tried_again() -> None:
    ended = {"type": "Failed", "status": "True", "message": "Job was active longer than specified deadline"}
    job = {"status": {"conditions": [ended]}}
    found = verdicts(outlook(snapshot(live={**snapshot().live, Child("Job", "shop-migrate-1"): job})))["Stalled"]
    assert found.reason == "MigrationFailed"
    assert "longer than specified deadline" in found.message
    assert "made anew after 60 s" in found.message
    assert "kubectl delete job shop-migrate-1" in found.message


def test_several_obstacles_are_counted_and_the_first_is_told_in_full() -> None:
    problems = (Reason("ChildRefused", "Deployment x is refused"), Reason("ForeignObject", "Service y is not ours"))
    message = verdicts(outlook(problems=problems))["Stalled"].message
    assert message == "Deployment x is refused (1 more: ForeignObject)."


def test_a_cache_pod_that_is_gone_makes_the_cache_unhealthy_and_nothing_else() -> None:
    held = {"conditions": [{"type": "CacheHealthy", "status": "True"}]}
    found = verdicts(outlook(snapshot(pods=without("cache")), previous=held))
    assert found["CacheHealthy"].status == "False"
    assert "cache" in found["CacheHealthy"].message
    assert found["Ready"].holds


def test_a_broker_that_does_not_answer_holds_the_workers_count() -> None:
    held = {"conditions": [{"type": "QueueHealthy", "status": "True"}]}
    found = verdicts(outlook(snapshot(queue=Reason("Refused", "the broker answers 401")), previous=held))
    assert found["QueueHealthy"].reason == "Refused"
    assert (found["AutoscalingActive"].status, found["AutoscalingActive"].reason) == ("False", "Refused")


def test_an_outside_scaler_is_named() -> None:
    found = verdicts(outlook(workers=Scaling(1, STEADY, conflict="HorizontalPodAutoscaler x")))["AutoscalingActive"]
    assert found.reason == "ScalingConflict"
    assert "HorizontalPodAutoscaler x" in found.message


def test_an_outside_scaler_of_any_tier_is_told_with_what_it_means() -> None:
    seen = snapshot(outside_scalers={child("gateway"): "HorizontalPodAutoscaler x"})
    found = verdicts(outlook(seen))["AutoscalingActive"]
    assert (found.status, found.reason) == ("False", "ScalingConflict")
    assert "HorizontalPodAutoscaler x decides the number of pods of Deployment shop-gateway" in found.message


def test_autoscaling_that_is_off_or_only_recommends_says_so() -> None:
    assert verdicts(spec={"autoscaling": {"mode": "Off"}})["AutoscalingActive"].reason == "Off"
    assert verdicts(spec={"autoscaling": {"mode": "Recommend"}})["AutoscalingActive"].reason == "Recommend"


def test_a_paused_stack_is_not_reconciling() -> None:
    found = verdicts(
        outlook(gate=Gate(frozenset(), {"SCHEMA": Reason("WaitingForDatabase", "no primary")})), {"paused": True}
    )
    assert found["Paused"].holds
    assert found["Reconciling"].reason == "Paused"


def test_a_statefulset_that_is_about_to_be_made_again_is_not_settled() -> None:
    going = workload()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = verdicts(outlook(snapshot(live={**snapshot().live, child("db"): going})))
    assert found["Reconciling"].holds


def test_pods_of_an_earlier_template_are_progress() -> None:
    live = {**snapshot().live, child("gateway"): workload(2, updatedReplicas=1)}
    found = verdicts(outlook(snapshot(live=live, pods=(*without("gateway"), pod("gateway"), pod("gateway", name="b")))))
    assert found["Reconciling"].reason == "Progressing"
    assert "gateway" in found["Reconciling"].message


def test_a_database_template_that_differs_only_in_what_its_hash_leaves_out_is_no_progress() -> None:
    hashed = {"highconcurrency.dev/template-hash": "h1"}
    changed = workload(1, updatedReplicas=0)
    changed["spec"]["template"]["metadata"] = {"annotations": hashed}
    look = snapshot(
        live={**snapshot().live, child("db"): changed}, pods=(*without("db"), pod("db", annotations=hashed))
    )
    assert not verdicts(outlook(look))["Reconciling"].holds


def test_before_the_first_look_at_the_database_nothing_is_claimed_of_it() -> None:
    found = verdicts(outlook(database=None))
    assert {found["DurabilitySatisfied"].status, found["ReplicationHealthy"].status} == {"Unknown"}


def test_every_message_ends_as_a_sentence() -> None:
    broken = outlook(snapshot(live={}, pods=(), selftests={}, queue=None, cache=None), database=None)
    for found in (*verdicts().values(), *verdicts(broken).values()):
        assert found.message.endswith((".", "!", "?"))
