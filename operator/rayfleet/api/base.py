"""What the models of the API share: how they read JSON, and how they mark fields for the CRD."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

INT32_MAX: Final = 2_147_483_647
MOST_GROUPS: Final = 100
"""Worker groups of a cluster: every pass looks at each of them."""
MOST_NAMES: Final = 64
"""Names of resources of one group."""
INT32_MIN: Final = -2_147_483_648
INT64_MAX: Final = 9_223_372_036_854_775_807
FLOAT32_MAX: Final = 3.4028234663852886e38
"""Go cannot read a larger number into a `float32`, nor the object that has it."""


class ApiModel(BaseModel):
    """A part of `spec`: frozen, camelCase on the wire; it ignores unknown fields.

    A field that is null counts as absent, as it does for the API server.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:  # noqa: ANN401 - whatever JSON the object holds
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if value is not None}
        return data


def whole_number(value: object) -> int:
    """`value` as an int32. Raises ValueError with a message for the user."""
    # JSON has one kind of number: 2.0 is as whole as 2. True is not a number, although Python thinks so.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic reports a ValueError only
    if not INT32_MIN <= value <= INT32_MAX:
        raise ValueError(f"must be between {INT32_MIN} and {INT32_MAX}")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - as above
    if not abs(value) <= FLOAT32_MAX:
        raise ValueError(f"must be between {-FLOAT32_MAX:.1e} and {FLOAT32_MAX:.1e}")
    return float(value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - as above
    return value


def _number_or_text(value: object) -> int | str:
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a whole number or text")  # noqa: TRY004 - as above
    return whole_number(value)


def _quantity(value: object) -> int | str:
    """A quantity as it is written; a number that Go's `int64` cannot hold becomes text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number or text")  # noqa: TRY004 - as above
    return value if abs(value) <= INT64_MAX else str(value)


def _embedded(kubernetes_type: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    """Names the Kubernetes type whose schema replaces ours in the CRD."""
    return Field(json_schema_extra={"x-embedded": kubernetes_type})


Integer: TypeAlias = Annotated[int, BeforeValidator(whole_number)]
# Bounds must precede the validator: after it, and next to None, pydantic leaves them out of the schema.
NonNegativeInteger: TypeAlias = Annotated[int, Field(ge=0), BeforeValidator(whole_number)]
Float: TypeAlias = Annotated[
    float,
    BeforeValidator(_number),
    Field(json_schema_extra={"minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX}),
]
"""A number, as a `float32` of Go can hold it."""
Boolean: TypeAlias = Annotated[bool, BeforeValidator(_boolean)]
QuantityValue: TypeAlias = Annotated[int | str, PlainValidator(_quantity), _embedded("Quantity")]
"""A number, or a number as text with a unit; `quantity.parse_quantity` reads it."""
IntOrString: TypeAlias = Annotated[int | str, PlainValidator(_number_or_text), _embedded("IntOrString")]
"""A number, or a percentage as text."""

# Kubernetes' own types stay raw JSON: Kubernetes validates them, and typed models would lose the fields of a
# newer Kubernetes.
PodTemplate: TypeAlias = Annotated[dict[str, Any], _embedded("PodTemplateSpec")]
ServiceTemplate: TypeAlias = Annotated[dict[str, Any], _embedded("Service")]
ResourceRequirements: TypeAlias = Annotated[dict[str, Any], _embedded("ResourceRequirements")]
SecurityContext: TypeAlias = Annotated[dict[str, Any], _embedded("SecurityContext")]
EnvVar: TypeAlias = Annotated[dict[str, Any], _embedded("EnvVar")]
EnvFromSource: TypeAlias = Annotated[dict[str, Any], _embedded("EnvFromSource")]
EnvVarSource: TypeAlias = Annotated[dict[str, Any], _embedded("EnvVarSource")]
VolumeMount: TypeAlias = Annotated[dict[str, Any], _embedded("VolumeMount")]
IngressTLS: TypeAlias = Annotated[dict[str, Any], _embedded("IngressTLS")]
IngressRule: TypeAlias = Annotated[dict[str, Any], _embedded("NetworkPolicyIngressRule")]
EgressRule: TypeAlias = Annotated[dict[str, Any], _embedded("NetworkPolicyEgressRule")]


def stored(default: object, description: str, **constraints: Any) -> Any:  # noqa: ANN401 - as pydantic.Field
    """A field whose default the API server writes into the object, for users and other controllers to see.

    If a later version may choose a better default, use a plain one: it is not frozen into objects.
    """
    extra = {"x-stored-default": True, **constraints.pop("json_schema_extra", {})}
    return Field(default=default, description=description, json_schema_extra=extra, **constraints)
