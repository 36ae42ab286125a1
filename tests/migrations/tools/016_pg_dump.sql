--
-- PostgreSQL database dump
--

\restrict abcDEF0123456789

-- Dumped from database version 15.14
-- Dumped by pg_dump version 15.14

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE TABLE public.dumped (
    id integer NOT NULL,
    note text DEFAULT 'a;b'::text
);

CREATE SEQUENCE public.dumped_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.dumped_id_seq OWNED BY public.dumped.id;
ALTER TABLE ONLY public.dumped ALTER COLUMN id SET DEFAULT nextval('public.dumped_id_seq'::regclass);

INSERT INTO public.dumped VALUES (1, 'one'), (2, E'two\n;');
SELECT pg_catalog.setval('public.dumped_id_seq', 2, true);

--
-- PostgreSQL database dump complete
--

\unrestrict abcDEF0123456789

