"""The agent's environment, as the pod template sets it."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from hcs_operator.api.database import Role


class Settings(BaseSettings):
    """Read once at the start; passwords and certificates are read from their files each time."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    role: Role = Field(alias="HCS_ROLE")
    stack: str = Field(alias="HCS_STACK")
    pod_name: str = Field(alias="POD_NAME")
    pod_ip: str = Field(alias="POD_IP")
    pod_fqdn: str = Field(alias="POD_FQDN")
    socket: Path = Field(Path("/run/mysqld/mysqld.sock"), alias="HCS_MYSQL_SOCKET")
    credentials: Path = Field(Path("/etc/hcs/database"), alias="HCS_DATABASE_CREDENTIALS")
    certificates: Path = Field(Path("/etc/hcs/tls"), alias="HCS_TLS")
    port: int = Field(9091, alias="HCS_AGENT_PORT")
    log_level: str = Field("INFO", alias="LOG_LEVEL")
