"""What a device tells about itself, reads and erases."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mobile_models.callers import caller
from weatherapp.personal import deliveries, limits, selectors, services, shapes
from weatherapp.personal import serializers as forms
from weatherapp.personal.api import BODY, PersonalView, body_of, device_of, problems

TAGS = ["devices"]
DONE = {204: OpenApiResponse(description="Done.")}


def _id(name: str) -> OpenApiParameter:
    example = OpenApiExample("id", value="00000000-0000-4000-8000-000000000000")
    return OpenApiParameter(
        f"{name}_id", location="path", description=f"Id of the {name}.", examples=[example]
    )


class Devices(PersonalView):
    """New devices."""

    authentication_classes = ()

    @extend_schema(
        operation_id="device_register",
        tags=TAGS,
        auth=[],
        request=forms.ProfileInput,
        responses={201: forms.RegisteredSerializer, **problems(400, 413, 415)},
    )
    def post(self, request: Request) -> Response:
        """Register a device. It needs no account, e-mail or name; an empty object will do.

        The token is shown once. A device that loses it registers again: nobody could tell that it is its own.
        """
        limits.count_registration(caller(request.META))
        device, token = services.register(profile=body_of(request, forms.ProfileInput))
        return Response({**shapes.device_body(device), "token": token}, status=201)


class Me(PersonalView):
    """The device itself."""

    @extend_schema(operation_id="device", tags=TAGS, responses={200: forms.DeviceSerializer, **problems(401)})
    def get(self, request: Request) -> Response:
        """The profile."""
        return Response(shapes.device_body(device_of(request)))

    @extend_schema(
        operation_id="device_change",
        tags=TAGS,
        request=forms.ProfileInput,
        responses={200: forms.DeviceSerializer, **problems(*BODY)},
    )
    def patch(self, request: Request) -> Response:
        """Change what is given of the profile.

        A coarser precision rounds the stored places again at once; a finer one counts for places given later.
        """
        changes = body_of(request, forms.ProfileInput, partial=True)
        return Response(
            shapes.device_body(services.change_profile(device=device_of(request), changes=changes))
        )

    @extend_schema(operation_id="device_erase", tags=TAGS, responses={**DONE, **problems(401)})
    def delete(self, request: Request) -> Response:
        """Erase the device and everything that is stored about it. Its token is dead at once."""
        services.erase(device=device_of(request))
        return Response(status=204)


class TokenRotation(PersonalView):
    """The device's token."""

    @extend_schema(
        operation_id="device_token",
        tags=TAGS,
        request=None,
        responses={200: forms.TokenSerializer, **problems(401)},
    )
    def post(self, request: Request) -> Response:
        """Take another token; the one of this call is dead from then on."""
        return Response({"token": services.rotate_token(device=device_of(request))})


class Export(PersonalView):
    """Everything about the device."""

    @extend_schema(
        operation_id="device_export", tags=TAGS, responses={200: forms.ExportSerializer, **problems(401)}
    )
    def get(self, request: Request) -> Response:
        """Everything that is stored about the device, but for the secrets that were shown once."""
        return Response(shapes.export_body(device_of(request)))


class Places(PersonalView):
    """The device's places."""

    @extend_schema(operation_id="places", tags=TAGS, responses={200: forms.PlacesSerializer, **problems(401)})
    def get(self, request: Request) -> Response:
        """List the places in the order they were made."""
        return Response({"places": [shapes.place_body(row) for row in device_of(request).places.all()]})

    @extend_schema(
        operation_id="place_add",
        tags=TAGS,
        request=forms.PlaceInput,
        responses={201: forms.PlaceSerializer, **problems(*BODY, 409)},
    )
    def post(self, request: Request) -> Response:
        """Keep a place. Its coordinates are rounded to the device's precision before they are stored."""
        values = body_of(request, forms.PlaceInput)
        return Response(
            shapes.place_body(services.add_place(device=device_of(request), values=values)), status=201
        )


class PlaceOne(PersonalView):
    """One place."""

    @extend_schema(
        operation_id="place",
        tags=TAGS,
        parameters=[_id("place")],
        responses={200: forms.PlaceSerializer, **problems(401, 404)},
    )
    def get(self, request: Request, place_id: str) -> Response:
        """The place as it is stored: rounded."""
        return Response(shapes.place_body(selectors.place_of(device_of(request), place_id)))

    @extend_schema(
        operation_id="place_change",
        tags=TAGS,
        parameters=[_id("place")],
        request=forms.PlaceInput,
        responses={200: forms.PlaceSerializer, **problems(*BODY, 404)},
    )
    def patch(self, request: Request, place_id: str) -> Response:
        """Change what is given. Where the place moves, what was learned there is forgotten."""
        changes = body_of(request, forms.PlaceInput, partial=True)
        place = services.change_place(device=device_of(request), place_id=place_id, changes=changes)
        return Response(shapes.place_body(place))

    @extend_schema(
        operation_id="place_remove",
        tags=TAGS,
        parameters=[_id("place")],
        responses={**DONE, **problems(401, 404)},
    )
    def delete(self, request: Request, place_id: str) -> Response:
        """Forget the place with its commutes, rules and what was learned there."""
        services.remove_place(device=device_of(request), place_id=place_id)
        return Response(status=204)


class Commutes(PersonalView):
    """The device's commutes."""

    @extend_schema(
        operation_id="commutes", tags=TAGS, responses={200: forms.CommutesSerializer, **problems(401)}
    )
    def get(self, request: Request) -> Response:
        """List the commutes in the order they were made."""
        return Response({"commutes": [shapes.commute_body(row) for row in device_of(request).commutes.all()]})

    @extend_schema(
        operation_id="commute_add",
        tags=TAGS,
        request=forms.CommuteInput,
        responses={201: forms.CommuteSerializer, **problems(*BODY, 404, 409)},
    )
    def post(self, request: Request) -> Response:
        """Keep a way that is gone on some days within a window of local time."""
        values = body_of(request, forms.CommuteInput)
        commute = services.add_commute(device=device_of(request), values=values)
        return Response(shapes.commute_body(commute), status=201)


class CommuteOne(PersonalView):
    """One commute."""

    @extend_schema(
        operation_id="commute",
        tags=TAGS,
        parameters=[_id("commute")],
        responses={200: forms.CommuteSerializer, **problems(401, 404)},
    )
    def get(self, request: Request, commute_id: str) -> Response:
        """The commute."""
        return Response(shapes.commute_body(selectors.commute_of(device_of(request), commute_id)))

    @extend_schema(
        operation_id="commute_change",
        tags=TAGS,
        parameters=[_id("commute")],
        request=forms.CommuteInput,
        responses={200: forms.CommuteSerializer, **problems(*BODY, 404)},
    )
    def patch(self, request: Request, commute_id: str) -> Response:
        """Change what is given."""
        changes = body_of(request, forms.CommuteInput, partial=True)
        commute = services.change_commute(device=device_of(request), commute_id=commute_id, changes=changes)
        return Response(shapes.commute_body(commute))

    @extend_schema(
        operation_id="commute_remove",
        tags=TAGS,
        parameters=[_id("commute")],
        responses={**DONE, **problems(401, 404)},
    )
    def delete(self, request: Request, commute_id: str) -> Response:
        """Forget the commute with its rules."""
        services.remove_commute(device=device_of(request), commute_id=commute_id)
        return Response(status=204)


class Rules(PersonalView):
    """The device's rules."""

    @extend_schema(operation_id="rules", tags=TAGS, responses={200: forms.RulesSerializer, **problems(401)})
    def get(self, request: Request) -> Response:
        """List the rules in the order they were made."""
        return Response({"rules": [shapes.rule_body(row) for row in device_of(request).rules.all()]})

    @extend_schema(
        operation_id="rule_add",
        tags=TAGS,
        request=forms.RuleInput,
        responses={201: forms.RuleSerializer, **problems(*BODY, 404, 409)},
        examples=[
            OpenApiExample(
                "Rain on the way to work",
                request_only=True,
                value={
                    "commute": "00000000-0000-4000-8000-000000000000",
                    "variable": "rain",
                    "comparison": "above",
                    "threshold": 0,
                    "probability": 0.4,
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Keep a rule. It is held against every new run; a finding comes into the feed once per window."""
        values = body_of(request, forms.RuleInput)
        return Response(
            shapes.rule_body(services.add_rule(device=device_of(request), values=values)), status=201
        )


class RuleOne(PersonalView):
    """One rule."""

    @extend_schema(
        operation_id="rule",
        tags=TAGS,
        parameters=[_id("rule")],
        responses={200: forms.RuleSerializer, **problems(401, 404)},
    )
    def get(self, request: Request, rule_id: str) -> Response:
        """The rule."""
        return Response(shapes.rule_body(selectors.rule_of(device_of(request), rule_id)))

    @extend_schema(
        operation_id="rule_change",
        tags=TAGS,
        parameters=[_id("rule")],
        request=forms.RuleInput,
        responses={200: forms.RuleSerializer, **problems(*BODY, 404)},
    )
    def patch(self, request: Request, rule_id: str) -> Response:
        """Change what is given. `null` takes a place, commute, start or end away."""
        changes = body_of(request, forms.RuleInput, partial=True)
        rule = services.change_rule(device=device_of(request), rule_id=rule_id, changes=changes)
        return Response(shapes.rule_body(rule))

    @extend_schema(
        operation_id="rule_remove",
        tags=TAGS,
        parameters=[_id("rule")],
        responses={**DONE, **problems(401, 404)},
    )
    def delete(self, request: Request, rule_id: str) -> Response:
        """Forget the rule with what it found."""
        services.remove_rule(device=device_of(request), rule_id=rule_id)
        return Response(status=204)


class WebhookView(PersonalView):
    """Where entries are sent."""

    @extend_schema(
        operation_id="webhook", tags=TAGS, responses={200: forms.WebhookSerializer, **problems(401, 404)}
    )
    def get(self, request: Request) -> Response:
        """The webhook and how it fares."""
        return Response(shapes.webhook_body(deliveries.webhook_of(device_of(request))))

    @extend_schema(
        operation_id="webhook_set",
        tags=TAGS,
        request=forms.WebhookInput,
        responses={200: forms.NewWebhookSerializer, **problems(*BODY)},
    )
    def put(self, request: Request) -> Response:
        """Send coming entries to an address as signed POSTs; with a new secret, which is shown once."""
        values: dict[str, Any] = body_of(request, forms.WebhookInput)
        webhook = deliveries.set_webhook(device=device_of(request), url=values["url"])
        return Response({**shapes.webhook_body(webhook), "secret": webhook.secret})

    @extend_schema(operation_id="webhook_remove", tags=TAGS, responses={**DONE, **problems(401, 404)})
    def delete(self, request: Request) -> Response:
        """Send nothing any more."""
        deliveries.remove_webhook(device=device_of(request))
        return Response(status=204)
