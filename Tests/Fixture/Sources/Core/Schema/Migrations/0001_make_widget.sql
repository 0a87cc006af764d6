-- schema 0.1.0
CREATE SCHEMA trellis;

CREATE TABLE trellis.widget (
    tenant_id uuid NOT NULL,
    widget_id uuid NOT NULL,
    display_name text NOT NULL,
    code text,
    color smallint NOT NULL,
    amount integer NOT NULL,
    weight double precision,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz,
    tags text[] NOT NULL,
    attributes jsonb,
    PRIMARY KEY (tenant_id, widget_id)
);
